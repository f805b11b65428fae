"""The configuration of a run, a trial or a training as MLflow has it, as an experiment that can be trained anew."""

import dataclasses
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from rdpp.addresses import shown
from rdpp.config import ConfigError, choose, require
from rdpp.data import AUTO
from rdpp.experiment import ExperimentConfig, TrainingConfig
from rdpp.tracking.conventions.artifacts import CHECKPOINT, CONFIGURATION
from rdpp.tracking.conventions.tags import LEVEL, ROOT, STATE, group_of, groups, is_run, taken_by
from rdpp.tracking.reading.checkpoints import is_run_id
from rdpp.tracking.store.listing import StoredRun, runs_with_tag
from rdpp.tracking.store.mlflow_store import Store
from rdpp.yaml_file import parse_yaml

_COMMANDS = {"study": "rdpp sweep", "ablation": "rdpp ablate"}
_OF_THE_MACHINE = ("device", "threads", "feature_cache_gb")
"""Settings that a run has from the machine and the worker that trained it."""


@dataclass(frozen=True)
class Recorded:
    """What was found."""

    experiment: ExperimentConfig
    """With the categories and seeds of the runs below it, and without what belongs to the machine."""
    what: str
    """In words, such as `trial 3 of the study demo (bolt, weave; seeds 1, 2)`."""

    def on_data(self, root: str | None) -> ExperimentConfig:
        """To be trained on another data set, if there is one: its layout is recognised anew, unless it is one that the
        user described (`reader: folder`)."""
        data = self.experiment.data
        if root is None or data.folder is not None:
            return self.experiment
        return dataclasses.replace(self.experiment, data=dataclasses.replace(data, reader=AUTO))


def recorded_experiment(store: Store, source: str) -> Recorded:
    """The configuration that a study's best trial, or an MLflow run, was trained with.

    Device, threads and feature_cache_gb are left to the machine that trains now. Places of files (data.root,
    data.cache, teacher.weights) are those that were recorded.

    Args:
        store: where it is.
        source: name of a study, or the MLflow id of a study, a trial, a training, a variant, or one run.

    Raises:
        ConfigError: nothing of that name, an ablation, a study without a complete trial, or a run that recorded no
            configuration, or one that this version cannot read.
    """
    top = _named(store, source)
    level = top.tags.get(LEVEL)
    if level == "study":
        top = best_trial(store, top)
        level = "trial"
    if level in ("ablation", "comparison"):
        raise ConfigError(
            f"'{source}' is of the kind {level}, which has no one configuration; give the id of a run in it"
        )
    leaves = [top] if level == "run" else runs_below(store, top)
    experiment = _joined(store, [leaf for leaf in leaves if "category" in leaf.tags], source)
    if "study" in top.tags:
        name = f"{top.tags['study']}-trial-{int(top.tags['trial']):03d}"
        experiment = dataclasses.replace(experiment, name=name)
    return Recorded(experiment, _in_words(top, experiment))


def configuration(store: Store, run_id: str) -> ExperimentConfig:
    """What one run was trained with, as it was resolved there.

    Raises:
        ConfigError: it recorded none, or one that this version cannot read.
    """
    return ExperimentConfig.from_mapping(configuration_data(store, run_id), f"{CONFIGURATION} of the run {run_id}")


def configuration_data(store: Store, run_id: str) -> dict[str, Any]:
    """The same as plain data, by whichever version it was written.

    Raises:
        ConfigError: it recorded none.
    """
    with tempfile.TemporaryDirectory(prefix="rdpp-") as scratch:
        try:
            path = Path(store.client.download_artifacts(run_id, CONFIGURATION, scratch))
        except (MlflowException, OSError):
            raise ConfigError(
                f"the run {run_id} has no {CONFIGURATION}: it ended before it began; name another"
            ) from None
        return parse_yaml(path)


def best_trial(store: Store, study: StoredRun) -> StoredRun:
    """The complete trial with the highest objective; of equal ones the earliest.

    Raises:
        ConfigError: none is complete.
    """
    trials = runs_with_tag(store, ROOT, study.run_id, level="trial")
    complete = [trial for trial in trials if "objective" in trial.metrics]
    require(
        bool(complete),
        f"the study {study.tags['study']} has no complete trial ({len(trials)} have begun); let it run first (rdpp "
        "sweep)",
    )
    return min(complete, key=lambda trial: (-trial.metrics["objective"], int(trial.tags["trial"])))


def run_with_checkpoint(store: Store, trial: StoredRun) -> StoredRun | None:
    """The first finished run of a trial, by seed and category, that has kept its checkpoint."""
    finished = runs_below(store, trial, finished=True)
    for run in sorted(finished, key=lambda run: (int(run.tags["seed"]), run.tags["category"])):
        if CHECKPOINT in {artifact.path for artifact in store.client.list_artifacts(run.run_id)}:
            return run
    return None


def runs_below(store: Store, parent: StoredRun, *, finished: bool = False) -> list[StoredRun]:
    """The runs of one category and seed of a trial, a variant or a training: its own, then those that it took over;
    the newest first. `finished`: only those that have ended well."""
    root, group = parent.tags.get(ROOT, parent.run_id), group_of(parent.tags)
    taken = runs_with_tag(store, taken_by(root), None, level="run", finished=finished)
    return [
        *runs_with_tag(store, MLFLOW_PARENT_RUN_ID, parent.run_id, level="run", finished=finished),
        *(run for run in taken if group in groups(run.tags, taken_by(root))),
    ]


def studies_and_ablations(store: Store, source: str) -> list[tuple[str, Run]]:
    """Ablations and studies that a name or the id of an MLflow run names: level and run. Ablations come first, and the
    newest first of each."""
    found = ((level, run) for level in ("ablation", "study") for run in store.search(f"tags.{LEVEL} = '{level}'"))
    return [(level, run) for level, run in found if source in (run.info.run_id, run.data.tags.get(level))]


def refuse_unknown(store: Store, source: str, *levels: str) -> NoReturn:
    """Refuse what is no study's or ablation's name.

    Args:
        store: where it was looked for.
        source: what was given.
        levels: `study`, `ablation`, or both.

    Raises:
        ConfigError: always; it names those that there are, or the command that makes one.
    """
    known = {run.data.tags[level] for level in levels for run in store.search(f"tags.{LEVEL} = '{level}'")}
    none = f"run {' or '.join(_COMMANDS[level] for level in levels)} first, or name another store with --tracking-uri"
    choose(source, known, f"{' or '.join(levels)} (in {shown(store.uri)})", none=none)
    raise AssertionError(f"{source} is known")


def _named(store: Store, source: str) -> StoredRun:
    """The run that a name or an id names."""
    found = studies_and_ablations(store, source)
    both = len({level for level, _ in found}) > 1
    require(not both, f"'{source}' names a study and an ablation; give the id of the study's MLflow run instead")
    if found:
        return StoredRun.of(found[0][1])
    if not is_run_id(source):
        refuse_unknown(store, source, "study")
    try:
        return StoredRun.of(store.client.get_run(source))
    except MlflowException:
        raise ConfigError(f"no run {source} in {shown(store.uri)}; give its store with --tracking-uri") from None


def _joined(store: Store, runs: Sequence[StoredRun], source: str) -> ExperimentConfig:
    """One experiment whose grid has all these runs, which differ in category, seed, length and machine alone."""
    require(bool(runs), f"no run of '{source}' has begun; let it run first, or name another")
    parts = {run.tags["category"]: configuration(store, run.run_id) for run in reversed(runs)}
    first = parts[runs[0].tags["category"]]
    experiment = dataclasses.replace(
        first,
        data=dataclasses.replace(first.data, categories=tuple(sorted(parts))),
        training=_joined_lengths({name: part.training for name, part in parts.items()}),
        seeds=tuple(sorted({int(run.tags["seed"]) for run in runs})),
    )
    defaults = {field.name: field.default for field in dataclasses.fields(ExperimentConfig)}
    return dataclasses.replace(experiment, **{name: defaults[name] for name in _OF_THE_MACHINE})


def _joined_lengths(parts: Mapping[str, TrainingConfig]) -> TrainingConfig:
    """Epochs or steps as one number, or by category where they differ; the longest for further categories."""
    first = next(iter(parts.values()))
    unit = "steps" if first.epochs is None else "epochs"
    lengths = {name: getattr(part, unit) for name, part in parts.items()}
    longest = max(lengths.values())
    same = min(lengths.values()) == longest
    return dataclasses.replace(first, **{unit: longest if same else {"default": longest, **lengths}})


def _in_words(top: StoredRun, experiment: ExperimentConfig) -> str:
    runs = f"{', '.join(experiment.data.categories)}; seeds {', '.join(map(str, experiment.seeds))}"
    if "study" not in top.tags:
        return f"the run {top.run_id} ({runs})"
    state = top.tags.get(STATE, "not finished")
    ended = "" if state == "complete" or is_run(top.tags) else f", which is {state}"
    return f"trial {top.tags['trial']} of the study {top.tags['study']}{ended} ({runs})"
