"""What MLflow's UI shows of a study: its trials, and the runs of all trials."""

from rdpp.runs import DURATION, Chart, Column, View
from rdpp.sweep.config import SweepConfig
from rdpp.tracking.conventions.metric_names import HELD_OUT, LOSS, SELECTED, TEST

_MOST = 12
"""Swept values that get a chart of their own."""


def study_views(sweep: SweepConfig) -> list[View]:
    """The first is the one to open."""
    return [_trials(sweep), _runs(sweep)]


def _trials(sweep: SweepConfig) -> View:
    objective: Column = ("metrics", "objective")
    swept: list[Column] = [("params", path) for path in sweep.space]
    charts = [Chart("parallel", (*swept, objective)), Chart("scatter", (("metrics", "trial"), objective))]
    charts += [Chart("scatter", (path, objective)) for path in swept[:_MOST]]
    kinds = ("held_out", "test") if _holds_out(sweep) else ("test",)
    means: list[Column] = [("metrics", f"{kind}/{name}") for kind in kinds for name in sweep.objective]
    spread: Column = ("metrics", "spread/objective")
    columns = (objective, spread, *swept, *means, DURATION)
    return View(f"{sweep.name}: trials", "trial", objective, columns, tuple(charts))


def _runs(sweep: SweepConfig) -> View:
    """Of each category and seed, with its losses before its values."""
    deciding, watched = (SELECTED, HELD_OUT) if _holds_out(sweep) else (TEST, "")
    chosen: list[Column] = [("metrics", deciding + name) for name in sweep.objective]
    test: list[Column] = [("metrics", TEST + name) for name in sweep.objective]
    lines = [f"{LOSS}total", *(watched + name for name in sweep.objective)]
    charts = tuple(Chart("line", (("metrics", name),)) for name in lines)
    place: list[Column] = [("tags", "trial"), ("tags", "category"), ("tags", "seed")]
    columns = tuple(dict.fromkeys([*place, *chosen, *test, DURATION]))
    return View(f"{sweep.name}: runs", "run", chosen[0], columns, charts)


def _holds_out(sweep: SweepConfig) -> bool:
    return sweep.experiment.evaluation.watched == "held_out"
