"""Optuna's own figures of a study, on one page that needs no network."""

import html
import json
from collections.abc import Mapping
from typing import Any

import optuna
from plotly.graph_objects import Figure

from rdpp.sweep.importance import Importances

FIGURES = "figures.html"
"""Artifact of a study's run."""
_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>{title}</title></head>
<body style="font-family: sans-serif; margin: 1rem">
<h1 style="font-size: 1.3rem">{title}</h1>
{figures}
</body>
</html>
"""


def figures_of(study: optuna.Study, complete: int, found: Importances | None) -> dict[str, Figure]:
    """By name; each title tells from how many trials it is.

    Args:
        study: Optuna's.
        complete: how many of its trials are complete.
        found: what matters, if there are trials enough to tell.
    """
    plots = {
        "history": optuna.visualization.plot_optimization_history,
        "slices": optuna.visualization.plot_slice,
        "parallel": optuna.visualization.plot_parallel_coordinate,
    }
    figures = {name: plot(study) for name, plot in plots.items()}
    for figure in figures.values():
        figure.update_layout(title=f"{figure.layout.title.text}, from {complete} complete trials")
    if found is not None:
        plot = optuna.visualization.plot_param_importances(found.study, evaluator=found.evaluator())
        plot.update_layout(title=f"{plot.layout.title.text}, from {len(found.values)} trials by the runs that all have")
        figures["importances"] = plot
    return figures


def figures_page(title: str, figures: Mapping[str, Figure]) -> str:
    """All figures as one HTML page. The code that draws them (4.8 MB) is in it, once."""
    parts = [
        figure.to_html(full_html=False, include_plotlyjs=number == 0, div_id=name)
        for number, (name, figure) in enumerate(figures.items())
    ]
    return _PAGE.format(title=html.escape(title), figures="\n".join(parts))


def figure_data(figure: Figure) -> dict[str, Any]:
    """As JSON takes it."""
    return json.loads(str(figure.to_json()))
