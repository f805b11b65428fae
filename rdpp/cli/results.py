"""What commands print at their end."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import Any

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


def say_ui(options: argparse.Namespace) -> None:
    """How to look at the runs."""
    from rdpp.addresses import shown

    uri = f" --tracking-uri {shown(options.tracking_uri)}" if options.tracking_uri else ""
    print(f"browse the runs: rdpp ui{uri}", file=sys.stderr)
