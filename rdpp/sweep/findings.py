"""What a study says: whether its trials differ by more than chance, and which value matters."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.trial import TrialState

from rdpp.display.console import short
from rdpp.sweep.attributes import values_by_run
from rdpp.sweep.chance import Chance, chance
from rdpp.sweep.config import SweepConfig
from rdpp.sweep.importance import IMPORTANCES_NEED, Importances, importances
from rdpp.sweep.space import Choice, Dimension


@dataclass(frozen=True)
class Spread:
    """How far trials lie apart, beside what seeds alone do."""

    trials: float
    """Standard deviation of the complete trials' objectives; NaN with fewer than two."""
    complete: int
    """How many these are."""
    chance: Chance
    """What seeds alone give a trial's objective, its mean over categories and seeds."""


def spread(sweep: SweepConfig, study: optuna.Study) -> Spread:
    """Of the complete trials."""
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    values = [trial.value for trial in complete if trial.value is not None]
    between = float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
    by_run = [values_by_run(trial, sweep.objective) for trial in complete]
    return Spread(between, len(values), chance(by_run, {run for found in by_run for run in found}))


def spread_sentence(found: Spread) -> str:
    """The two spreads beside each other, and what follows."""
    if np.isnan(found.trials) or not found.chance.known:
        return "Too few trials or seeds to tell differences between trials from chance."
    verdict = (
        "differences of this size between them may be chance"
        if found.chance.explains(found.trials, found.complete)
        else "they differ by more than the choice of seeds explains"
    )
    return (
        f"Spread between the {found.complete} complete trials {100 * found.trials:.2f} points; by the choice of seeds "
        f"alone {100 * found.chance.deviation:.2f}: {verdict}."
    )


def importance_sentences(sweep: SweepConfig, found: Importances | None, complete: int) -> list[str]:
    """Which value matters, by how much, and where it is good; beside what seeds alone do.

    Args:
        sweep: the definition.
        found: None where there are too few trials.
        complete: how many trials are.
    """
    if found is None:
        return [f"Which value matters cannot be told: at least {IMPORTANCES_NEED} trials that differ are needed."]
    pruned = ", the pruned ones too" if len(found.values) > complete else ""
    trials = f"{len(found.values)} trials{pruned} (standard deviation {100 * found.spread:.2f} points"
    trials += f"; by the choice of seeds alone {100 * found.chance.deviation:.2f})" if found.chance.known else ")"
    if found.chance.known and found.chance.explains(found.spread, len(found.values)):
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
    return Findings(apart, matters, (spread_sentence(apart), *importance_sentences(sweep, matters, apart.complete)))


def _covered(dimension: Dimension, values: Sequence[Any]) -> str:
    if isinstance(dimension, Choice):
        return f"{' or '.join(map(str, values))}, of {' or '.join(map(str, dimension.choices))}"
    return f"from {short(values[0])} to {short(values[-1])}, of {short(dimension.low)} to {short(dimension.high)}"
