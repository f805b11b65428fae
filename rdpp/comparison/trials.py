"""The trials of a study as its MLflow runs tell them, the best first."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rdpp.display.console import percent, short
from rdpp.tracking.conventions.tags import ROOT, STATE
from rdpp.tracking.store.listing import StoredRun, runs_with_tag
from rdpp.tracking.store.mlflow_store import Store

_WORDS = {"held_out": "held-out", "test": "test"}


@dataclass(frozen=True)
class Trials:
    """A table of text, and what it is made of."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def ranked_trials(store: Store, study: str) -> Trials:
    """One row a trial, the best objective first; then those that were given up, which have none.

    Args:
        store: where the study is.
        study: id of its MLflow run.
    """
    tags = store.client.get_run(study).data.tags
    metrics = tags.get("objective", "").split()
    runs = runs_with_tag(store, ROOT, study, level="trial")
    runs.sort(key=lambda run: (-run.metrics.get("objective", -np.inf), int(run.tags["trial"])))
    swept = sorted({path for run in runs for path in run.params})
    images = _WORDS.get(tags.get("objective_images", ""), "unknown")
    what = " and ".join(metrics) or "objective"
    header = ("trial", *swept, f"objective: {what}, {images} images", f"{what}, test images", "state")
    rows = tuple(_row(run, swept, metrics) for run in runs)
    return Trials(header, rows)


def _short(value: str) -> str:
    """A swept value as `short` shows it; a param of MLflow is a text."""
    try:
        number = float(value)
    except ValueError:  # a choice, or a dash
        return value
    return value if number.is_integer() else short(number)


def _row(run: StoredRun, swept: Sequence[str], metrics: Sequence[str]) -> tuple[str, ...]:
    values = [_short(run.params.get(path, "-")) for path in swept]
    objective = run.metrics.get("objective")
    # before `test/`, studies had these means by the bare name
    on_test = [run.metrics.get(f"test/{name}", run.metrics.get(name, np.nan)) for name in metrics]
    test = float(np.mean(on_test)) if on_test and objective is not None else None
    state, runs = run.tags.get(STATE, "not finished"), run.tags.get("runs")
    state = f"{state} after {runs} runs" if state == "pruned" else state
    return (f"trial-{int(run.tags['trial']):03d}", *values, percent(objective), percent(test), state)
