"""How long must a run be? The metrics on the test images in equal parts of the training, by category and variant.

    python scripts/studies/curve.py NAME --parts 6 [--picture curves.png]

The runs are those of an ablation with `evaluation.audit: true`, all with as many steps. Each cell is the mean over the
evaluated epochs of one part and over the seeds; below `all` over the categories too. A curve is flat where the cells
stop rising. The picture has the means over all categories.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
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
    parser.add_argument("--picture", type=Path, help="file to draw the means over all categories to")
    parser.add_argument("--tracking-uri", help="MLflow store; by default sqlite in ./runs")
    options = parser.parse_args()
    store = Store(options.tracking_uri, create=False)
    cells: dict[tuple[str, str], list[np.ndarray]] = {}
    for variant, runs in find_runs(store, [options.ablation]).by_variant().items():
        for run in runs:
            cells.setdefault((run.category, variant), []).append(means_of_parts(store, run, options.parts))
    output_console().print(_table(cells, options.parts))
    if options.picture:
        _draw(_of_categories(cells, sorted({category for category, _ in cells})), options.picture)


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
    categories = sorted({category for category, _ in cells})
    for category in [*categories, *(["all"] if len(categories) > 1 else [])]:
        of_variants = _of_categories(cells, categories if category == "all" else [category])
        for place, metric in enumerate(HEADLINE):
            for variant, (seeds, means) in of_variants.items():
                table.add_row(category, metric, variant, seeds, *(f"{100 * value:.1f}" for value in means[place]))
    return table


def _of_categories(
    cells: Mapping[tuple[str, str], Sequence[np.ndarray]], categories: Sequence[str]
) -> dict[str, tuple[str, np.ndarray]]:
    """By variant: its seeds, fewest to most, and (metrics, parts) means over seeds, then over the categories. Variants
    that lack one of the categories are left out."""
    found = {}
    for variant in dict.fromkeys(variant for _, variant in cells):
        own = [cells[category, variant] for category in categories if (category, variant) in cells]
        if len(own) == len(categories):
            seeds = " to ".join(map(str, sorted({len(runs) for runs in own})))
            found[variant] = seeds, np.mean([np.mean(runs, axis=0) for runs in own], axis=0)
    return found


def _draw(of_variants: Mapping[str, tuple[str, np.ndarray]], file: Path) -> None:
    """A panel a metric, a line a variant, a point in the middle of each part."""
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    for place, (metric, panel) in enumerate(zip(HEADLINE, figure.subplots(1, len(HEADLINE)), strict=True)):
        for variant, (_, means) in of_variants.items():
            middles = (np.arange(means.shape[1]) + 0.5) / means.shape[1]
            panel.plot(middles, 100 * means[place], marker=".", label=variant)
        panel.set_title(metric, fontsize=10)
        panel.set_xlabel("share of the training", fontsize=9)
        panel.grid(alpha=0.3)
    figure.axes[0].set_ylabel("per cent, test images", fontsize=9)
    figure.axes[-1].legend(fontsize=8)
    figure.savefig(file, dpi=100, pil_kwargs={"optimize": True})


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
