"""What a study says: whether its trials differ by more than chance, and which value matters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.trial import TrialState
from scipy.stats import f

from rdpp.display.console import short
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
    """Standard deviation that the choice of one seed gives to the difference between trials (mean over categories);
    NaN with one seed. All trials have the same seeds: what a seed does to all of them alike makes no difference."""
    seeds_of_mean: float
    """The same for a trial's mean over its seeds: seeds / sqrt(number of seeds)."""
    degrees: int
    """Of freedom of `seeds`."""

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
    """Between trials and by seeds, over the complete trials."""
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    values = [t.value for t in complete if t.value is not None]
    between = float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
    by_seed = _by_seed([values_by_run(trial, sweep.objective) for trial in complete])
    chance, degrees = _residual(by_seed)
    return Spread(between, len(values), chance, chance / float(np.sqrt(by_seed.shape[1])), degrees)


def _by_seed(by_run: Sequence[Mapping[tuple[str, int], float]]) -> np.ndarray:
    """(trials, seeds): means over categories, of the trials that have every run."""
    runs = sorted(set[tuple[str, int]]().union(*by_run))
    seeds = sorted({seed for _, seed in runs})
    whole = [found for found in by_run if len(found) == len(runs) and not np.isnan(list(found.values())).any()]
    rows = [[np.mean([found[run] for run in runs if run[1] == seed]) for seed in seeds] for found in whole]
    return np.array(rows).reshape(len(rows), max(1, len(seeds)))


def _residual(table: np.ndarray) -> tuple[float, int]:
    """The standard deviation that is left in a table when the means of its rows and of its columns are taken out, and
    its degrees of freedom. Source: randomised complete blocks; Montgomery, "Design and Analysis of Experiments",
    8th edition, section 4.1."""
    degrees = (table.shape[0] - 1) * (table.shape[1] - 1)
    if degrees < 1:
        return float("nan"), 0
    left = table - table.mean(1, keepdims=True) - table.mean(0) + table.mean()
    return float(np.sqrt((left**2).sum() / degrees)), degrees


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
        f"Spread between the {found.complete} complete trials {100 * found.trials:.2f} points; by the choice of seeds "
        f"alone {100 * found.seeds_of_mean:.2f}: {verdict}."
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
