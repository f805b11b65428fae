"""How long must a run be? The metrics on the test images in equal parts of the training, by category and variant.

    python scripts/studies/curve.py NAME --parts 6

The runs are those of an ablation with `evaluation: {selection: held_out, audit: true}`, all with as many steps. Each
cell is the mean over the evaluated epochs of one part and over the seeds. A curve is flat where the cells stop rising.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence

import numpy as np
from rich.table import Table

from rdpp.cli import exit_code_of
from rdpp.comparison.pairing import HEADLINE
from rdpp.comparison.search import TrainedRun, find_runs
from rdpp.config import ConfigError
from rdpp.display.console import output_console
from rdpp.tracking.reading.finished import evaluations_on_test
from rdpp.tracking.store.mlflow_store import Store


def main() -> None:
    """Find the runs and print the table."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("ablation", help="its name, the id of its MLflow run, or a query of MLflow's")
    parser.add_argument("--parts", type=int, default=6, help="of the training (%(default)s)")
    parser.add_argument("--tracking-uri", help="MLflow store; by default sqlite in ./runs")
    options = parser.parse_args()
    store = Store(options.tracking_uri, create=False)
    cells: dict[tuple[str, str], list[np.ndarray]] = {}
    for variant, runs in find_runs(store, [options.ablation]).by_variant().items():
        for run in runs:
            cells.setdefault((run.category, variant), []).append(means_of_parts(store, run, options.parts))
    output_console().print(_table(cells, options.parts))


def means_of_parts(store: Store, run: TrainedRun, parts: int) -> np.ndarray:
    """(metrics, parts): of a run's epochs on the test images, in the order of HEADLINE. The first parts have an epoch
    more than the last where they do not come out even."""
    found = evaluations_on_test(store, run.run_id)
    if len(found) < parts:
        raise ConfigError(
            f"the run {run.run_id} has {len(found)} epochs on the test images, fewer than {parts} parts; "
            "set evaluation.audit to true, or give fewer --parts"
        )
    values = np.array([[metrics[name] for _, metrics in found] for name in HEADLINE])
    return np.stack([part.mean(1) for part in np.array_split(values, parts, axis=1)], 1)


def _table(cells: Mapping[tuple[str, str], Sequence[np.ndarray]], parts: int) -> Table:
    table = Table(title="metrics on the test images in each part of the training, per cent")
    for name in ("category", "metric", "variant", "seeds", *(f"{part + 1}/{parts}" for part in range(parts))):
        table.add_column(name, justify="left" if name in ("category", "metric", "variant") else "right")
    for category in sorted({category for category, _ in cells}):
        for place, metric in enumerate(HEADLINE):
            for (of, variant), found in cells.items():
                if of == category:
                    means = np.mean(found, axis=0)[place]
                    table.add_row(category, metric, variant, str(len(found)), *(f"{100 * v:.1f}" for v in means))
    return table


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
