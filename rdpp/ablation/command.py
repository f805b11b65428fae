"""`rdpp ablate`, `rdpp compare` and `rdpp rescore`."""

import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rdpp.ablation.collect import collect
from rdpp.ablation.compare import Compared, compare_runs, read_published
from rdpp.ablation.config import AblationConfig
from rdpp.ablation.figures import differences
from rdpp.ablation.run import matrix, missing, run_ablation
from rdpp.ablation.tables import as_csv, as_data, print_comparison
from rdpp.engine import Event, RunStarted
from rdpp.runs import TakenOver, opened
from rdpp.tracking.console import ConsoleObserver, output_console, results_table
from rdpp.tracking.rescore import rescore
from rdpp.tracking.store import Store
from rdpp.tracking.tree import MlflowTree


def ablate(file: Path, changes: Mapping[str, Any], tracking_uri: str | None, *, again: bool = False) -> str:
    """Run what is missing of an ablation file's matrix; with `again` all of it.

    Returns:
        The id of its MLflow run.

    Raises:
        ConfigError: what a user can mend.
    """
    ablation = AblationConfig.from_yaml(file, changes)
    whole = matrix(ablation)
    with MlflowTree(store=Store(tracking_uri)) as tree, ConsoleObserver(len(whole)) as console:
        done = len(whole) - len(missing(whole, tree))
        console.line(
            f"ablation {ablation.name}: {done} of {len(whole)} runs done; "
            f"{len(ablation.variants)} variants, baseline {ablation.baseline}"
        )

        def show_variant(event: Event | TakenOver) -> None:
            if isinstance(event, RunStarted | TakenOver):
                console.prefix = f"{event.spec.experiment.name} "

        return run_ablation(ablation, whole, tree, [show_variant, console], again=again)


def run_compare(
    sources: Sequence[str],
    *,
    baseline: str | None = None,
    metrics: Sequence[str] | None = None,
    by: str | None = None,
    published: Path | None = None,
    tracking_uri: str | None = None,
    as_json: bool = False,
) -> None:
    """Compare, print, and log the comparison to the parent run, or to a run of its own for a query.

    Raises:
        ConfigError: what a user can mend.
    """
    store = Store(tracking_uri)
    compared = compare_runs(collect(store, sources, by), baseline, metrics, read_published(published))
    run_id = log_comparison(store, compared)
    if as_json:
        print(json.dumps({"mlflow_run": run_id, **as_data(compared)}, indent=1))
    else:
        print_comparison(compared, output_console())


def log_comparison(store: Store, compared: Compared) -> str:
    """Log table, data and picture under `compare/` of the parent run.

    Returns:
        The run's id; a query, that has no parent, gets a run of its own.
    """
    parent = compared.collection.parent
    if parent is not None:
        _log(store, parent, compared)
        return parent
    name = f"compare {compared.collection.title}"[:200]
    with (
        MlflowTree(store=store) as tree,
        opened(tree, tree.open(name, level="comparison", parent=None, tags={})) as node,
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
    store = Store(tracking_uri)
    found, without = rescore(store, [run.run_id for run in collect(store, sources).runs])
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
        print(json.dumps(rows, indent=1))
    else:
        output_console().print(results_table(rows))
    changed = sum(bool(r.changed) for r in found)
    added = sorted({name for r in found for name in r.added if "/" not in name})
    print(
        f"{len(found)} runs rescored, {without} without maps; new metrics: {', '.join(added) or 'none'}; "
        f"{changed} runs had other values",
        file=sys.stderr,
    )
