"""What a study comes to, for a person and for a program."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState
from rich import box
from rich.table import Table

from rdpp.display.console import percent, short
from rdpp.sweep.after import BASE, Best
from rdpp.sweep.attributes import FAILURE, RUN, STEPS, value_on_test, values_by_run
from rdpp.sweep.config import SweepConfig, runs_a_trial
from rdpp.sweep.findings import Findings
from rdpp.sweep.space import base_point


def table(sweep: SweepConfig, study: optuna.Study) -> Table:
    """One row a trial, the best first: its values, the objective by category (mean over seeds) and overall."""
    rows = sorted(study.get_trials(deepcopy=False), key=lambda t: (t.state != TrialState.COMPLETE, -(t.value or 0)))
    categories = sorted({c for t in rows for c, _ in values_by_run(t, sweep.objective)})
    where = "held-out" if sweep.experiment.evaluation.watched == "held_out" else "test"
    base = base_point(sweep.space, sweep.experiment)
    title = f"{sweep.name}: mean of {' and '.join(sweep.objective)} on the {where} images, per cent"
    if any(trial.params == base for trial in rows):
        title += f"; {BASE}: the experiment as it stands"
    columns = Table(title=title, box=box.SIMPLE_HEAD, pad_edge=False)
    headers = [path.removeprefix("losses.").replace(".", "\n") for path in sweep.space]
    for name in ("trial", *headers, *categories, "mean", "on test\nimages", "state"):
        columns.add_column(name, justify="left" if name == "state" else "right")
    for trial in rows:
        if trial.state in (TrialState.COMPLETE, TrialState.PRUNED) or FAILURE in trial.user_attrs:
            number = f"{BASE} {trial.number}" if trial.params == base else str(trial.number)
            columns.add_row(number, *_row(trial, sweep, categories))
    return columns


def _row(trial: FrozenTrial, sweep: SweepConfig, categories: list[str]) -> list[str]:
    """All but its number."""
    by_category = _by_category(trial, sweep)
    params = [short(trial.params.get(path)) for path in sweep.space]
    means = [percent(by_category[c]) if c in by_category else "" for c in categories]
    complete = trial.state == TrialState.COMPLETE and trial.value is not None
    state = "complete" if complete else _ended(trial, sweep)
    mean, on_test = (percent(trial.value), percent(value_on_test(trial, sweep.objective))) if complete else ("", "")
    return [*params, *means, mean, on_test, state]


def _ended(trial: FrozenTrial, sweep: SweepConfig) -> str:
    """Which run it ended in, or after which."""
    done = len(values_by_run(trial, sweep.objective))
    if FAILURE in trial.user_attrs:
        return f"failed in run {done + 1}"
    if trial.user_attrs[STEPS] > sum(of["steps"] for key, of in trial.user_attrs.items() if key.startswith(RUN)):
        return f"pruned in run {done + 1}"  # which spent the others
    return f"pruned after {done} of {runs_a_trial(sweep.experiment)} runs"


def as_json(
    sweep: SweepConfig, study: optuna.Study, found: Findings, mlflow_run: str | None, best: Best | None
) -> dict[str, Any]:
    """The study for a program."""
    base = base_point(sweep.space, sweep.experiment)
    return {
        "study": sweep.name,
        "mlflow_run": mlflow_run,
        "objective": list(sweep.objective),
        "best": best and _best(best),
        "spread": {
            "trials": _known(found.spread.trials),
            "complete": found.spread.complete,
            "chance": _known(found.spread.chance.deviation),
            "degrees": found.spread.chance.degrees,
        },
        "importances": None if found.importances is None else dict(found.importances.shares),
        "sentences": list(found.sentences),
        "trials": [
            {
                "number": t.number,
                "base": t.params == base,
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
