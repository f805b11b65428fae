"""Pruners and samplers, all Optuna's own. A new one is a line in its registry."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import optuna

from rdpp.sweep.gates import Gate, gates_of_runs
from rdpp.sweep.halving import HalvingConfig


@dataclass(frozen=True)
class Pruner:
    """How trials are given up before their last run."""

    make: Callable[[HalvingConfig, int], optuna.pruners.BasePruner]
    """Called with the settings of halving and the number of evaluations that a trial plans, over all its runs."""
    gates: Callable[[HalvingConfig, Sequence[int]], Sequence[Gate]] | None = None
    """At which places it is asked, by the evaluations that each run plans. It gets the mean over the runs so far, each
    at its best epoch so far (at its last one with `selection: last`)."""
    compares_instances: bool = False
    """Whether it wants the objective of each run by itself, in any order, and is asked whenever a run has ended."""


PRUNERS: Mapping[str, Pruner] = {
    "halving": Pruner(HalvingConfig.pruner, gates=HalvingConfig.gates),
    "wilcoxon": Pruner(lambda *_: optuna.pruners.WilcoxonPruner(p_threshold=0.1), compares_instances=True),
    "median": Pruner(
        lambda *_: optuna.pruners.MedianPruner(n_startup_trials=3), gates=lambda _, planned: gates_of_runs(planned)
    ),
    "none": Pruner(lambda *_: optuna.pruners.NopPruner()),
}
"""By the `pruner` of a sweep file, besides `auto`."""

SAMPLERS: Mapping[str, Callable[[int, int], optuna.samplers.BaseSampler]] = {
    # constant_liar: points that other workers are at count as poor ones, so that two workers do not draw alike
    "tpe": lambda seed, startup: optuna.samplers.TPESampler(seed=seed, n_startup_trials=startup, constant_liar=True),
    "gp": lambda seed, startup: optuna.samplers.GPSampler(seed=seed, n_startup_trials=startup),
    "random": lambda seed, startup: optuna.samplers.RandomSampler(seed),
}
"""By the `name` of a sweep file's sampler. Called with a seed and how many trials come before its model proposes."""
