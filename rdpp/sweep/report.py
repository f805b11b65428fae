"""What a study comes to, for a person and for a program."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState
from rich import box
from rich.table import Table
from scipy.stats import f

from rdpp.display.console import percent
from rdpp.runs import seed_spread
from rdpp.sweep.after import Best
from rdpp.sweep.attributes import FAILURE, RUN, STEPS, value_on_test, values_by_run
from rdpp.sweep.config import SweepConfig, runs_a_trial
from rdpp.sweep.importance import Importances, importances
from rdpp.sweep.space import Choice, Dimension
from rdpp.tracking.schema import IMPORTANCES_NEED

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


def sentences(sweep: SweepConfig, study: optuna.Study) -> list[str]:
    """What a study says: whether its trials differ by more than chance, and which value matters."""
    found = spread(sweep, study)
    return [spread_sentence(found), *importance_sentences(sweep, importances(sweep, study), found)]


def _covered(dimension: Dimension, values: Sequence[Any]) -> str:
    if isinstance(dimension, Choice):
        return f"{' or '.join(map(str, values))}, of {' or '.join(map(str, dimension.choices))}"
    return f"from {_short(values[0])} to {_short(values[-1])}, of {_short(dimension.low)} to {_short(dimension.high)}"


def table(sweep: SweepConfig, study: optuna.Study) -> Table:
    """One row a trial, the best first: its values, the objective by category (mean over seeds) and overall."""
    rows = sorted(study.get_trials(deepcopy=False), key=lambda t: (t.state != TrialState.COMPLETE, -(t.value or 0)))
    categories = sorted({c for t in rows for c, _ in values_by_run(t, sweep.objective)})
    where = "held-out" if sweep.experiment.evaluation.watched == "held_out" else "test"
    title = f"{sweep.name}: mean of {' and '.join(sweep.objective)} on the {where} images, per cent"
    columns = Table(title=title, box=box.SIMPLE_HEAD, pad_edge=False)
    headers = [path.removeprefix("losses.").replace(".", "\n") for path in sweep.space]
    for name in ("trial", *headers, *categories, "mean", "on test\nimages", "state"):
        columns.add_column(name, justify="left" if name == "state" else "right")
    for trial in rows:
        if trial.state in (TrialState.COMPLETE, TrialState.PRUNED) or FAILURE in trial.user_attrs:
            columns.add_row(*_row(trial, sweep, categories))
    return columns


def _row(trial: FrozenTrial, sweep: SweepConfig, categories: list[str]) -> list[str]:
    by_category = _by_category(trial, sweep)
    params = [_short(trial.params.get(path)) for path in sweep.space]
    means = [percent(by_category[c]) if c in by_category else "" for c in categories]
    complete = trial.state == TrialState.COMPLETE and trial.value is not None
    state = "complete" if complete else _ended(trial, sweep)
    mean, on_test = (percent(trial.value), percent(value_on_test(trial, sweep.objective))) if complete else ("", "")
    return [str(trial.number), *params, *means, mean, on_test, state]


def _ended(trial: FrozenTrial, sweep: SweepConfig) -> str:
    """Which run it ended in, or after which."""
    done = len(values_by_run(trial, sweep.objective))
    if FAILURE in trial.user_attrs:
        return f"failed in run {done + 1}"
    if trial.user_attrs[STEPS] > sum(of["steps"] for key, of in trial.user_attrs.items() if key.startswith(RUN)):
        return f"pruned in run {done + 1}"  # which spent the others
    return f"pruned after {done} of {runs_a_trial(sweep.experiment)} runs"


def as_json(sweep: SweepConfig, study: optuna.Study, mlflow_run: str | None, best: Best | None) -> dict[str, Any]:
    """The study for a program."""
    found, ranked = spread(sweep, study), importances(sweep, study)
    return {
        "study": sweep.name,
        "mlflow_run": mlflow_run,
        "objective": list(sweep.objective),
        "best": best and _best(best),
        "spread": {k: _known(v) for k, v in vars(found).items()},
        "importances": None if ranked is None else dict(ranked.shares),
        "sentences": sentences(sweep, study),
        "trials": [
            {
                "number": t.number,
                "state": t.state.name.lower(),
                "failure": t.user_attrs.get(FAILURE),
                "value": t.value,
                "test_value": _known(value_on_test(t, sweep.objective)) if t.state == TrialState.COMPLETE else None,
                "params": t.params,
                "steps": t.user_attrs.get(STEPS),
                "by_category": _by_category(t, sweep),
            }
            for t in study.get_trials(deepcopy=False)
        ],
    }


def _best(best: Best) -> dict[str, Any]:
    trial, model = best.trial, best.model and best.model.run_id
    return {"trial": trial.number, "value": trial.value, "params": trial.params, "source": best.source, "model": model}


def _by_category(trial: FrozenTrial, sweep: SweepConfig) -> Mapping[str, float]:
    by_category: dict[str, list[float]] = {}
    for (category, _), value in values_by_run(trial, sweep.objective).items():
        by_category.setdefault(category, []).append(value)
    return {category: float(np.mean(values)) for category, values in sorted(by_category.items())}


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
