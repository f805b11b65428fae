"""Which swept values matter: how much of the variance between trials each of them explains."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import optuna
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState

from rdpp.sweep.attributes import values_by_run
from rdpp.sweep.chance import Chance, chance
from rdpp.sweep.config import SweepConfig

IMPORTANCES_NEED = 10
"""Trials below which importances are noise, and neither logged nor shown."""


@dataclass(frozen=True)
class Importances:
    """By functional ANOVA. Source: Hutter, Hoos and Leyton-Brown, "An Efficient Approach for Assessing Hyperparameter
    Importance", ICML 2014; Optuna's evaluator."""

    shares: Mapping[str, float]
    """By path, the highest first: the share of the explained variance; they sum to 1."""
    study: optuna.Study
    """In memory: the trials, each with its mean over the runs that all of them finished."""
    runs: frozenset[tuple[str, int]]
    """Category and seed of the runs that these means go over: the same categories for each seed."""
    chance: Chance
    """What seeds alone give such a mean."""

    @property
    def values(self) -> np.ndarray:
        """Of the trials, in their order."""
        return np.array([trial.value for trial in self.study.trials])

    @property
    def spread(self) -> float:
        """Standard deviation of these values between trials."""
        return float(np.std(self.values, ddof=1))

    @staticmethod
    def evaluator() -> FanovaImportanceEvaluator:
        """With the same random forest each time."""
        return FanovaImportanceEvaluator(seed=0)

    def best_quarter(self, path: str) -> tuple[int, list[object]]:
        """How many trials the best quarter is, and which values of a path they have, in order and once each."""
        ranked = sorted(self.study.trials, key=lambda trial: -(trial.value or 0.0))
        best = ranked[: max(2, len(ranked) // 4)]
        return len(best), sorted({trial.params[path] for trial in best}, key=lambda value: (str(type(value)), value))


def importances(sweep: SweepConfig, study: optuna.Study) -> Importances | None:
    """Of the complete and the pruned trials, by the runs that all of them finished: so the poor ones count too. Every
    seed counts with the same categories. Where a trial ended before its first run did, of the complete ones alone.

    Returns:
        None with fewer than IMPORTANCES_NEED trials, or where all are alike.
    """
    states = (TrialState.COMPLETE, TrialState.PRUNED)
    found = {t.number: (t, values_by_run(t, sweep.objective)) for t in study.get_trials(deepcopy=False, states=states)}
    complete = {number: entry for number, entry in found.items() if entry[0].state == TrialState.COMPLETE}
    if not (common := _common(found)):
        found, common = complete, _common(complete)
    means = {number: float(np.mean([by_run[run] for run in sorted(common)])) for number, (_, by_run) in found.items()}
    known = [(found[number][0], value) for number, value in means.items() if not np.isnan(value)]
    if len(known) < IMPORTANCES_NEED or np.ptp([value for _, value in known]) == 0:
        return None
    own = _in_memory(known)
    shares = get_param_importances(own, evaluator=Importances.evaluator())
    return Importances(shares, own, common, chance([by_run for _, by_run in complete.values()], common))


def _common(found: Mapping[int, tuple[FrozenTrial, Mapping[tuple[str, int], float]]]) -> frozenset[tuple[str, int]]:
    """The runs that all trials have, of the seeds that have the most categories."""
    common = set.intersection(*(set(by_run) for _, by_run in found.values())) if found else set[tuple[str, int]]()
    categories = Counter(seed for _, seed in common)
    return frozenset(run for run in common if categories[run[1]] == max(categories.values()))


def _in_memory(known: list[tuple[FrozenTrial, float]]) -> optuna.Study:
    own = optuna.create_study(direction="maximize")
    own.add_trials(
        [
            optuna.create_trial(params=trial.params, distributions=trial.distributions, value=value)
            for trial, value in known
        ]
    )
    return own
