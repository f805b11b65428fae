"""How much smaller does a mean over last epochs make the minimum detectable effect?

    python scripts/studies/window.py docs/results/photographs.jsonl.gz --baseline rd

The file is one of `rdpp runs export`. Each variant is compared with the baseline as `rdpp compare` does, on the images
that the epochs were evaluated on, once by the last epoch alone, and then by the mean over the last 2, 3, 5 and so on.
Printed is the minimum detectable effect for these categories, in points, the median over variants.
"""

import argparse
import gzip
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.table import Table

from rdpp.cli import exit_code_of
from rdpp.comparison.pairing import HEADLINE
from rdpp.comparison.statistics import Values, compare
from rdpp.display.console import output_console

WINDOWS = (1, 2, 3, 5, 8)


def main() -> None:
    """Read the file and print the table."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("file", type=Path, help="of rdpp runs export")
    parser.add_argument("--baseline", default="rd", help="the variant to compare with (%(default)s)")
    options = parser.parse_args()
    runs = [json.loads(line) for line in gzip.decompress(options.file.read_bytes()).decode().splitlines()]
    shortest = min(len(run["evaluations"]) for run in runs)
    windows = [count for count in WINDOWS if count <= shortest]
    table = Table(title=f"Minimum detectable effect, points; {len(runs)} runs, {shortest} or more evaluations each")
    table.add_column("metric")
    for count in windows:
        table.add_column("last epoch" if count == 1 else f"mean of {count}", justify="right")
    for metric in HEADLINE:
        effects = [_effect(runs, options.baseline, metric, count) for count in windows]
        table.add_row(metric, *(f"{effect:.2f} ({effect / effects[0]:.2f})" for effect in effects))
    output_console().print(table)


def _effect(runs: Sequence[dict[str, Any]], baseline: str, metric: str, count: int) -> float:
    """The median over variants."""
    rows = [
        {
            "variant": run["tags"]["variant"],
            "category": run["tags"]["category"],
            "seed": run["tags"]["seed"],
            "value": np.mean([found[metric] for _, found in run["evaluations"][-count:]]),
        }
        for run in runs
    ]
    cells = pd.DataFrame(rows).pivot(index=["category", "seed"], columns="variant", values="value").dropna()
    by_category = {str(name): part for name, part in cells.groupby(level="category") if len(part) > 1}
    others = [name for name in cells.columns if name != baseline]
    values: Values = {
        name: {category: part[[name, baseline]].to_numpy() for category, part in by_category.items()} for name in others
    }
    found = compare(baseline, {metric: values})
    return 100 * float(np.median([one.these_categories.minimum_detectable_effect for one in found]))


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
