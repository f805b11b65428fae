"""What commands print at their end."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rdpp.addresses import store_flag
from rdpp.display.output import print_json


def result_row(category: str, seed: int | None, epoch: int | None, metrics: Mapping[str, float]) -> dict[str, Any]:
    """One run's results; undefined metrics are None."""
    values = {name: None if value != value else value for name, value in metrics.items()}
    return {"category": category, "seed": seed, "epoch": epoch, "metrics": values}


def failed_row(category: str, seed: int, reason: str) -> dict[str, Any]:
    """A run that failed."""
    return {"category": category, "seed": seed, "epoch": None, "metrics": None, "failure": reason}


def print_results(rows: Sequence[Mapping[str, Any]], *, as_json: bool, selection: str | None = None) -> None:
    """A table, or JSON. `selection`: how the epochs were chosen, where it is known."""
    if as_json:
        print_json(rows)
    else:
        from rdpp.display.console import output_console, results_table

        output_console().print(results_table(rows, selection))


def say_predict(options: argparse.Namespace, run_id: str, of: str) -> None:
    """How to use a trained network. `of`: what it was trained on."""
    command = f"rdpp predict IMAGES --model {run_id} --out predicted{store_flag(options.tracking_uri)}"
    print(f"predict with the network for {of}: {command}", file=sys.stderr)


def say_ui(options: argparse.Namespace, run: str | None = None) -> None:
    """How to look at the runs. `run`: MLflow's id of the one whose page is named: of a study or an ablation that of its
    trials or variants."""
    page = None if run is None else _page(options, run)
    then = f", then open {page}" if page else ""
    print(f"browse the runs: rdpp ui{store_flag(options.tracking_uri)}{then}", file=sys.stderr)


def _page(options: argparse.Namespace, run: str) -> str | None:
    """The address of the page about a study or an ablation, or of a run's own; None where the store is away."""
    from rdpp.config import ConfigError
    from rdpp.tracking.store.mlflow_store import Store
    from rdpp.tracking.ui.server import FIRST_PORT, base_address
    from rdpp.tracking.ui.views import link, run_link, saved_views

    try:
        store = Store(options.tracking_uri, create=False)
    except ConfigError:  # the work is done, and `rdpp ui` names the page when the store is back
        return None
    base, views = base_address(FIRST_PORT), [view for view in saved_views(store) if view.root == run]
    return link(base, store.experiment_id, views[0]) if views else run_link(base, store.experiment_id, run)
