"""What a study says: whether its trials differ by more than chance, and which value matters."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.trial import TrialState
from scipy.stats import f

from rdpp.display.console import short
from rdpp.runs import seed_spread
from rdpp.sweep.attributes import values_by_run
from rdpp.sweep.config import SweepConfig
from rdpp.sweep.importance import IMPORTANCES_NEED, Importances, importances
from rdpp.sweep.space import Choice, Dimension

SIGNIFICANT = 0.05
"""A p below it counts: the differences are no chance."""


@dataclass(frozen=True)
class Spread:
    """How far trials lie apart, beside what seeds alone do."""

    trials: float
    """Standard deviation of the complete trials' objectives; NaN with fewer than two."""
    complete: int
    """How many these are."""
    seeds: float
    """Standard deviation of the objective (mean over categories) between seeds of one trial, pooled over trials;
    NaN with one seed."""
    seeds_of_mean: float
    """The same for a trial's mean over its seeds: seeds / sqrt(number of seeds)."""
    degrees: int
    """Of freedom of `seeds`: over the trials, the number of seeds less one."""

    def of_mean(self, seeds: int) -> float:
        """Standard deviation of a mean over so many seeds."""
        return self.seeds / float(np.sqrt(seeds))


def is_chance(between: float, trials: int, chance: float, degrees: int) -> bool:
    """Whether values that lie so far apart may differ by the choice of seeds alone: an F-test of their variance at 5 %.

    Args:
        between: standard deviation between the trials' values.
        trials: how many there are.
        chance: standard deviation that seeds alone give such a value.
        degrees: of freedom of `chance`.
    """
    if chance == 0:
        return between == 0
    return bool(f.sf((between / chance) ** 2, trials - 1, degrees) > SIGNIFICANT)


def spread(sweep: SweepConfig, study: optuna.Study) -> Spread:
    """Between trials and between seeds, over the complete trials."""
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    values = [t.value for t in complete if t.value is not None]
    by_run = [values_by_run(trial, sweep.objective) for trial in complete]
    apart = [seed_spread(found) for found in by_run]
    seeds = len({seed for _, seed in by_run[-1]}) if by_run else 1
    known = [deviation for deviation in apart if not np.isnan(deviation)]
    between_seeds = float(np.sqrt(np.mean(np.square(known)))) if known else float("nan")
    between_trials = float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
    degrees = sum(len({seed for _, seed in runs}) - 1 for runs in by_run)
    return Spread(between_trials, len(values), between_seeds, between_seeds / np.sqrt(seeds), degrees)


def spread_sentence(found: Spread) -> str:
    """The two spreads beside each other, and what follows."""
    if np.isnan(found.trials) or np.isnan(found.seeds):
        return "Too few trials or seeds to tell differences between trials from chance."
    chance = is_chance(found.trials, found.complete, found.seeds_of_mean, found.degrees)
    verdict = (
        "differences of this size between them may be chance"
        if chance
        else "they differ by more than the choice of seeds explains"
    )
    return (
        f"Spread between the {found.complete} complete trials {100 * found.trials:.2f} points, between seeds "
        f"{100 * found.seeds:.2f} ({100 * found.seeds_of_mean:.2f} for a trial's mean over its seeds): {verdict}."
    )


def importance_sentences(sweep: SweepConfig, found: Importances | None, apart: Spread) -> list[str]:
    """Which value matters, by how much, and where it is good; beside what seeds alone do.

    Args:
        sweep: the definition.
        found: None where there are too few trials.
        apart: how far seeds lie apart.
    """
    if found is None:
        return [f"Which value matters cannot be told: at least {IMPORTANCES_NEED} trials that differ are needed."]
    chance = apart.of_mean(found.seeds)
    pruned = ", the pruned ones too" if len(found.values) > apart.complete else ""
    trials = f"{len(found.values)} trials{pruned} (standard deviation {100 * found.spread:.2f} points"
    trials += ")" if np.isnan(chance) else f"; by the choice of seeds alone {100 * chance:.2f})"
    if not np.isnan(chance) and is_chance(found.spread, len(found.values), chance, apart.degrees):
        return [f"No swept value can be seen to matter: the difference between {trials} may be chance."]
    shares = [f"{path} {100 * share:.0f} %" for path, share in found.shares.items()]
    first = next(iter(found.shares))
    count, values = found.best_quarter(first)
    return [
        f"What explains the variance between {trials}: {', '.join(shares)}.",
        f"The best {count} of them have {first} {_covered(sweep.space[first], values)}.",
    ]


@dataclass(frozen=True)
class Findings:
    """Computed once from all trials."""

    spread: Spread
    importances: Importances | None
    """None with too few trials."""
    sentences: tuple[str, ...]
    """Both in words."""


def findings(sweep: SweepConfig, study: optuna.Study) -> Findings:
    """Read a study's trials."""
    apart, matters = spread(sweep, study), importances(sweep, study)
    return Findings(apart, matters, (spread_sentence(apart), *importance_sentences(sweep, matters, apart)))


def _covered(dimension: Dimension, values: Sequence[Any]) -> str:
    if isinstance(dimension, Choice):
        return f"{' or '.join(map(str, values))}, of {' or '.join(map(str, dimension.choices))}"
    return f"from {short(values[0])} to {short(values[-1])}, of {short(dimension.low)} to {short(dimension.high)}"
