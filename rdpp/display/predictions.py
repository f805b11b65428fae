"""What `rdpp predict` prints."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from rdpp.display.console import output_console
from rdpp.display.output import print_json
from rdpp.display.screen import times

_MOST_ROWS = 20
_VERDICTS = {True: "DEFECTIVE", False: "good", None: "-"}


@contextmanager
def progress(count: int, what: str = "images") -> Iterator[Callable[[], None]]:
    """A bar on standard error where that is a terminal; what it gives is called after each."""
    console = Console(stderr=True, markup=False)
    columns = (TextColumn(what), BarColumn(bar_width=24), MofNCompleteColumn(), *times())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=count)
        yield lambda: bar.advance(task)


def print_predictions(rows: Sequence[Mapping[str, Any]], out: Path, seconds: float, *, as_json: bool) -> None:
    """A table of the highest scores, or all as JSON; on standard error what could not be read, and the speed."""
    read = [row for row in rows if "error" not in row]
    if as_json:
        print_json(rows)
    elif read:
        console = output_console()
        console.print(_table(read))
        if len(read) > _MOST_ROWS:
            console.print(f"the {_MOST_ROWS} highest scores of {len(read)} images; all are in {out}/predictions.csv")
    for row in rows:
        if "error" in row:
            print(f"rdpp: {row['error']}", file=sys.stderr)
    verdicts = [row["defective"] for row in read if row["defective"] is not None]
    defective = f", {sum(verdicts)} of {len(verdicts)} defective" if verdicts else ""
    unreadable = f", {len(rows) - len(read)} could not be read" if len(read) < len(rows) else ""
    print(
        f"{len(rows)} images in {seconds:.1f} s, {len(rows) / seconds:.1f} a second{defective}{unreadable}; see {out}",
        file=sys.stderr,
    )


def _table(rows: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("image", overflow="fold")
    for column in ("score", "threshold"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for column in ("regions", "highest: box (left, top, width x height)", "area"):
        table.add_column(column, justify="right", no_wrap=column != "highest: box (left, top, width x height)")
    for row in sorted(rows, key=lambda row: -row["score"])[:_MOST_ROWS]:
        limit = row["threshold"]
        place = [""] * 2
        if row["regions"]:
            first = row["regions"][0]
            place = [f"{first['left']}, {first['top']}, {first['width']} x {first['height']}", str(first["area"])]
        cells = (f"{row['score']:.4f}", "-" if limit is None else f"{limit:.4f}", _VERDICTS[row["defective"]])
        table.add_row(row["image"], *cells, str(len(row["regions"])), *place)
    return table
