"""`rdpp ablate` and `rdpp rescore`."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rdpp.ablation.collect import collect
from rdpp.ablation.config import AblationConfig
from rdpp.ablation.run import matrix, missing, run_ablation
from rdpp.engine import Event, RunStarted
from rdpp.tracking import ConsoleObserver, Store, output_console, rescore, results_table


def ablate(file: Path, changes: Mapping[str, Any], tracking_uri: str | None) -> str:
    """Run the missing cells of an ablation file.

    Returns:
        The id of its MLflow run.

    Raises:
        ConfigError: what a user can mend.
    """
    ablation = AblationConfig.from_yaml(file, changes)
    store = Store(tracking_uri)
    todo, whole = missing(ablation, store), matrix(ablation)
    with ConsoleObserver(len(todo)) as console:
        console.line(
            f"ablation {ablation.name}: {len(whole) - len(todo)} of {len(whole)} runs done; "
            f"{len(ablation.variants)} variants, baseline {ablation.baseline}"
        )

        def show_variant(event: Event) -> None:
            if isinstance(event, RunStarted):
                console.prefix = f"{event.experiment.name} "

        return run_ablation(ablation, store, [show_variant, console])


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
