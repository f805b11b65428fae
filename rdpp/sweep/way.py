"""One trial while it is in work: its runs, which of them have ended, and the gates between them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from optuna.trial import FrozenTrial

from rdpp.config import ConfigError
from rdpp.engine import RunSpec, grid, planned_epochs
from rdpp.experiment import ExperimentConfig
from rdpp.runs import Failure, Node
from rdpp.sweep.attributes import FAILED, PASSED, RUN, mean_of, run_key
from rdpp.sweep.config import SweepConfig
from rdpp.sweep.gates import Gate, open_runs


def planned_evaluations(specs: Sequence[RunSpec]) -> list[int]:
    """How often each run is evaluated, if it does not stop early. A run whose images cannot be read is not: it fails,
    and what is wrong is told when the study is prepared."""
    return [_planned(spec) for spec in specs]


def _planned(spec: RunSpec) -> int:
    try:
        return -(-planned_epochs(spec) // spec.experiment.evaluation.every)
    except ConfigError:
        return 0


@dataclass(frozen=True)
class Way:
    """The runs of one trial, in order."""

    number: int
    """Of the trial."""
    node: Node
    specs: tuple[RunSpec, ...]
    gates: tuple[Gate, ...]

    @staticmethod
    def specs_of(experiment: ExperimentConfig, point: Mapping[str, Any]) -> tuple[RunSpec, ...]:
        """The runs of a point: every category with every seed."""
        return tuple(grid(experiment.with_overrides(point)))

    @cached_property
    def places(self) -> dict[str, int]:
        """Of a run among the trial's, by `SEED/CATEGORY`."""
        return {run_key(spec): place for place, spec in enumerate(self.specs)}

    def ended(self, trial: FrozenTrial, sweep: SweepConfig) -> dict[int, float | None]:
        """The objective of each run that has ended, by place; None of one that failed for good."""
        found: dict[int, float | None] = {}
        for key, stored in trial.user_attrs.items():
            if key.startswith(RUN):
                found[self.places[key.removeprefix(RUN)]] = mean_of(stored, sweep.objective)
            elif key.startswith(FAILED) and not may_try(stored):
                found.setdefault(self.places[key.removeprefix(FAILED)], None)
        return dict(sorted(found.items()))

    def open_runs(self, trial: FrozenTrial, sweep: SweepConfig) -> list[int]:
        """Places of the runs that may begin now."""
        passed = trial.user_attrs.get(PASSED, 0)
        return open_runs(self.gates, passed, self.ended(trial, sweep), len(self.specs))

    def inner_gates(self, place: int) -> list[tuple[int, Gate]]:
        """The gates within a run, with their own places."""
        return [(i, gate) for i, gate in enumerate(self.gates) if gate.run == place and not gate.at_end]


def may_try(stored: Mapping[str, Any]) -> bool:
    """Whether a run that failed may be tried again, by its attribute."""
    return Failure(stored["kind"], stored["reason"]).may_try(stored["tries"])


def mean(values: Mapping[int, float | None]) -> float:
    """Over runs that did not fail, in their order; NaN if there are none."""
    known = [value for _, value in sorted(values.items()) if value is not None]
    return float(np.mean(known)) if known else math.nan
