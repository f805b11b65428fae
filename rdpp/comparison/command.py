"""`rdpp compare` and `rdpp rescore`."""

import sys
import tempfile
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rdpp.comparison.figures import differences
from rdpp.comparison.pairing import Compared, compare_runs, compared_metrics, read_published
from rdpp.comparison.rescoring import rescore
from rdpp.comparison.search import find_runs
from rdpp.comparison.tables import as_csv, as_data, print_comparison
from rdpp.comparison.window import over_last_epochs
from rdpp.display.console import output_console, results_table
from rdpp.display.output import print_json
from rdpp.runs import opened
from rdpp.tracking.store.mlflow_store import Store
from rdpp.tracking.tree import MlflowTree


def run_compare(
    sources: Sequence[str],
    *,
    baseline: str | None = None,
    metrics: Sequence[str] | None = None,
    by: str | None = None,
    published: Path | None = None,
    tracking_uri: str | None = None,
    loosely: bool = False,
    last: int | None = None,
) -> tuple[str, Compared]:
    """Compare, and log the comparison to the parent run, or to a run of its own for a query. With `last`, each run's
    values are means over so many last epochs.

    Returns:
        That run's id, and the comparison.

    Raises:
        ConfigError: what a user can mend.
    """
    store = Store(tracking_uri, create=False)
    found = find_runs(store, sources, by)
    if last is not None:
        found = over_last_epochs(store, found, compared_metrics(found, metrics), last)
    compared = compare_runs(found, baseline, metrics, read_published(published), loosely=loosely)
    return log_comparison(store, compared), compared


def show_comparison(run_id: str, compared: Compared, *, as_json: bool) -> None:
    """Print what `run_compare` found."""
    if as_json:
        print_json(comparison_data(run_id, compared))
    else:
        print_comparison(compared, output_console())


def comparison_data(run_id: str, compared: Compared) -> dict[str, Any]:
    """The same for a program."""
    return {"mlflow_run": run_id, **as_data(compared)}


def log_comparison(store: Store, compared: Compared) -> str:
    """Log table, data and picture under `compare/` of the parent run.

    Returns:
        The run's id; a query, that has no parent, gets a run of its own.
    """
    parent = compared.run_set.parent
    if parent is not None:
        _log(store, parent, compared)
        return parent
    name = f"compare {compared.run_set.title}"[:200]
    with (
        MlflowTree(store=store) as tree,
        opened(tree, tree.open(name, level="comparison", key=uuid.uuid4().hex, parent=None, tags={})) as node,
    ):
        _log(store, tree.run_id(node), compared)
        return tree.run_id(node)


def _log(store: Store, run_id: str, compared: Compared) -> None:
    store.client.log_dict(run_id, as_data(compared), "compare/compare.json")
    store.client.log_text(run_id, as_csv(compared), "compare/compare.csv")
    with tempfile.TemporaryDirectory(prefix="rdpp-") as scratch:
        path = Path(scratch) / "differences.png"
        path.write_bytes(differences(compared.comparisons))
        store.client.log_artifact(run_id, str(path), "compare")


def run_rescore(sources: Sequence[str], tracking_uri: str | None, *, as_json: bool) -> None:
    """Compute every metric anew from stored anomaly maps, print it, and log what the runs lack.

    Raises:
        ConfigError: unknown sources, or no run with maps among them.
    """
    store = Store(tracking_uri, create=False)
    found, without = rescore(store, [run.run_id for run in find_runs(store, sources).runs])
    rows = [
        {
            "run": r.name,
            "category": r.category,
            "seed": r.seed,
            "epoch": r.epoch,
            "metrics": {k: v if v == v else None for k, v in r.metrics.items()},
            "added": list(r.added),
            "changed": dict(r.changed),
        }
        for r in found
    ]
    if as_json:
        print_json(rows)
    else:
        output_console().print(results_table(rows))
    changed = sum(bool(r.changed) for r in found)
    added = sorted({name for r in found for name in r.added if "/" not in name})
    print(
        f"{len(found)} runs rescored, {without} without maps; new metrics: {', '.join(added) or 'none'}; "
        f"{changed} runs had other values",
        file=sys.stderr,
    )
