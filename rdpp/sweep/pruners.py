"""Pruners and samplers, all Optuna's own. A new one is a line in its registry."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import optuna

from rdpp.sweep.halving import HalvingConfig


@dataclass(frozen=True)
class Pruner:
    """How trials are given up before their last run."""

    make: Callable[[HalvingConfig, int], optuna.pruners.BasePruner]
    """Called with the settings of halving and the number of evaluations that a trial plans, over all its runs."""
    within_runs: bool = False
    """Whether it is asked after every evaluation; otherwise after every run."""
    compares_instances: bool = False
    """Whether it wants the objective of each run by itself; otherwise the mean over the runs so far."""


PRUNERS: Mapping[str, Pruner] = {
    "halving": Pruner(HalvingConfig.pruner, within_runs=True),
    "wilcoxon": Pruner(lambda *_: optuna.pruners.WilcoxonPruner(p_threshold=0.1), compares_instances=True),
    "median": Pruner(lambda *_: optuna.pruners.MedianPruner(n_startup_trials=3)),
    "none": Pruner(lambda *_: optuna.pruners.NopPruner()),
}
"""By the `pruner` of a sweep file, besides `auto`."""

SAMPLERS: Mapping[str, Callable[[int, int], optuna.samplers.BaseSampler]] = {
    "tpe": lambda seed, startup: optuna.samplers.TPESampler(seed=seed, n_startup_trials=startup),
    "gp": lambda seed, startup: optuna.samplers.GPSampler(seed=seed, n_startup_trials=startup),
    "random": lambda seed, startup: optuna.samplers.RandomSampler(seed),
}
"""By the `name` of a sweep file's sampler. Called with a seed and how many trials come before its model proposes."""
