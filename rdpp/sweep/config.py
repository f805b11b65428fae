"""SweepConfig: a study, from one YAML file."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rdpp.built_in import check_kind, find_file
from rdpp.config import ConfigError, choose, decode, digest, encode, require
from rdpp.display.console import short
from rdpp.engine import resolve
from rdpp.experiment import SELECT_ON_HELD_OUT, ExperimentConfig
from rdpp.metrics import METRICS
from rdpp.sweep.halving import HalvingConfig
from rdpp.sweep.pruners import PRUNERS, SAMPLERS
from rdpp.sweep.space import Dimension, check_space
from rdpp.yaml_file import read_yaml

WILCOXON_NEEDS = 6
"""With fewer pairs the signed-rank test cannot reach its threshold (three give p >= 0.125)."""

HALVING_NEEDS = 9
"""Trials: with fewer, rungs have too little to choose among."""


@dataclass(frozen=True)
class SamplerConfig:
    """How points are proposed: Optuna's TPE, Gaussian process, or at random."""

    name: str = "tpe"
    """`tpe`: Optuna's tree-structured Parzen estimator; `gp`: a Gaussian process; `random`: no model."""
    seed: int = 0
    """Seed of the proposals."""
    startup_trials: int = 5
    """Trials drawn at random before the model proposes (tpe, gp)."""

    def __post_init__(self) -> None:
        choose(self.name, SAMPLERS, "sampler")
        require(self.seed >= 0, f"seed must be at least 0, got {self.seed}")
        require(self.startup_trials >= 1, f"startup_trials must be at least 1, got {self.startup_trials}")


@dataclass(frozen=True)
class SweepConfig:
    """A search space over one experiment, and the budget to search it with."""

    name: str
    """Name of the study, in Optuna and in MLflow."""
    experiment: ExperimentConfig
    """The base experiment's file, whose path is relative to the sweep file; or the name of a built-in one."""
    space: Mapping[str, Dimension]
    """What is searched: a dotted path into the experiment, and its range or choices."""
    trials: int | None = None
    """Trials of the whole study; null: as many as the budget allows."""
    objective: tuple[str, ...] = ("image_auroc", "pixel_aupro")
    """Metrics whose mean over categories, seeds and each other is maximised: on the held-out images, or on those of
    the test set where the experiment holds none out."""
    sampler: SamplerConfig = SamplerConfig()
    """How points of the space are proposed."""
    pruner: str = "auto"
    """Which rule gives poor trials up: `halving` within a run, `wilcoxon` and `median` between two runs, `none` never.
    `auto`: halving from nine trials on or with a budget, else wilcoxon from six instances (category x seed) on, else
    median."""
    halving: HalvingConfig = HalvingConfig()
    """Settings of the halving pruner."""
    allow_failed_runs: bool = False
    """Whether a trial goes on without its runs that fail: its objective is the mean over the others, which may not
    compare well. Otherwise a trial has failed as soon as one of its runs has."""
    keep_runs: str = "best 3"
    """Of which trials the checkpoints and pictures are kept: `best N` (by the objective), `all` or `none`."""
    budget: int | None = None
    """Training steps (batches) of the whole study: once they are spent no further trial begins."""

    confirm: int = 0
    """At the study's end the best trial and the experiment as it stands are trained with so many fresh seeds, and
    compared: the best of many trials looks better than it is. 0: they are not; else at least 2."""

    def __post_init__(self) -> None:
        require(self.confirm == 0 or self.confirm >= 2, f"confirm must be 0 or at least 2 seeds, got {self.confirm}")
        choose(self.pruner, ("auto", *PRUNERS), "pruner")
        require(
            self.trials is not None or self.budget is not None,
            "the study would never end; set trials, or budget (training steps)",
        )
        require(self.trials is None or self.trials >= 1, f"trials must be at least 1, got {self.trials}")
        require(self.budget is None or self.budget >= 1, f"budget must be at least 1, got {self.budget}")
        _ = self.kept_trials
        require(len(self.objective) > 0, "objective must name at least one metric")
        for metric in self.objective:
            choose(metric, METRICS, "objective metric")
        check_space(self.space, self.experiment)

    @classmethod
    def from_yaml(cls, path: Path, changes: Mapping[str, Any] | None = None) -> "SweepConfig":
        """Read a sweep file. `experiment` is the path of a base experiment, relative to the file, or a built-in name;
        `set` holds values by dotted path that replace the base's; `changes` are laid over these. Unless they say
        otherwise, evaluation.selection is held_out, whatever the base has. The result is resolved.

        Raises:
            ConfigError: what a user can mend, in one line.
        """
        data = read_yaml(path)
        check_kind("sweep", data, path)
        base = data.pop("experiment", None)
        require(isinstance(base, str), f"{path}: experiment must be the path of an experiment file, or a built-in name")
        experiment = ExperimentConfig.from_yaml(find_file("experiment", Path(str(base)), path.parent))
        overrides = data.pop("set", {})
        require(isinstance(overrides, dict), f"{path}: set must be a mapping of dotted paths to values")
        try:
            experiment = resolve(experiment.with_overrides({**SELECT_ON_HELD_OUT, **overrides, **(changes or {})}))
            return decode(cls, {**data, "experiment": experiment})
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from None

    @property
    def kept_trials(self) -> int | None:
        """How many of the best trials keep checkpoints and pictures; None: all, or no run makes any.

        Raises:
            ConfigError: `keep_runs` says nothing of the kind.
        """
        match = re.fullmatch(r"best (\d+)|all|none", self.keep_runs)
        if match is None:
            raise ConfigError(f"keep_runs is '{self.keep_runs}'; choices: best N (such as best 3), all, none")
        if self.keep_runs == "all" or (self.experiment.keep == "none" and self.experiment.heatmaps == 0):
            return None
        return int(match.group(1) or 0)

    def fingerprint(self) -> str:
        """Changes with anything that decides a trial's value, not with the number of trials, the budget, the
        device or the place of the files."""
        return digest(self.definition())

    def definition(self) -> dict[str, Any]:
        """What the fingerprint is made of, as plain data."""
        aside = dict.fromkeys(("trials", "budget", "keep_runs", "confirm"))
        return {**encode(self), **aside, "experiment": self.experiment.essence()}

    def chosen_pruner(self, instances: int) -> tuple[str, str]:
        """The pruner's name and why it is used."""
        if self.pruner != "auto":
            return self.pruner, "as the sweep file says"
        if self.budget is not None:
            return "halving", "a budget in steps goes to the trials that promise most"
        if self.trials is not None and self.trials >= HALVING_NEEDS:
            return "halving", f"{self.trials} trials are enough for rungs to choose among"
        if instances >= WILCOXON_NEEDS:
            return "wilcoxon", f"{instances} instances (category x seed) are enough for a signed-rank test"
        counted = (
            "1 instance (category x seed) is" if instances == 1 else f"{instances} instances (category x seed) are"
        )
        return "median", f"{counted} too few for a signed-rank test"


def runs_a_trial(experiment: ExperimentConfig) -> int:
    """Every category of a resolved experiment with every seed."""
    return len(experiment.data.categories) * len(experiment.seeds)


def describe(values: Mapping[str, Any]) -> str:
    """Values by dotted path as one short line.

    >>> describe({"noise.scale": 0.123456, "noise.field": "run"})
    'noise.scale=0.1235 noise.field=run'
    """
    return " ".join(f"{path}={short(value)}" for path, value in values.items())
