"""What `rdpp predict` prints."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from rdpp.display.console import output_console
from rdpp.display.output import print_json
from rdpp.display.screen import times

_MOST_ROWS = 20
_NAME = "image"
_LEAST_NAME = 12
"""Columns of a terminal that a name has at least."""
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
        console.print(_table(read, console))
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


def _table(rows: Sequence[Mapping[str, Any]], console: Console) -> Table:
    """The highest scores. Of an image's name the end is shown that has room: it tells images of one folder apart."""
    highest = sorted(rows, key=lambda row: -row["score"])[:_MOST_ROWS]
    others = [_cells(row) for row in highest]
    bare = _filled([""] * len(others), others)
    measured = console.measure(bare, options=console.options.update(width=10 * console.width)).maximum
    room = max(_LEAST_NAME, console.width - measured + len(_NAME))
    return _filled([_end_of(row["image"], room) for row in highest], others)


def _filled(names: Sequence[str], others: Sequence[Sequence[str]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(_NAME, no_wrap=True)
    for column in ("score", "threshold"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("regions", justify="right", no_wrap=True)
    table.add_column("highest: box\n(left, top,\nwidth x height)", justify="right")  # gives way in a narrow terminal
    table.add_column("area", justify="right", no_wrap=True)
    for name, cells in zip(names, others, strict=True):
        table.add_row(name, *cells)
    return table


def _cells(row: Mapping[str, Any]) -> list[str]:
    """All but the name."""
    limit, place = row["threshold"], [""] * 2
    if row["regions"]:
        first = row["regions"][0]
        place = [f"{first['left']}, {first['top']}, {first['width']} x {first['height']}", str(first["area"])]
    threshold = "-" if limit is None else f"{limit:.4f}"
    return [f"{row['score']:.4f}", threshold, _VERDICTS[row["defective"]], str(len(row["regions"])), *place]


def _end_of(name: str, room: int) -> str:
    """As much of it as fits into so many columns of a terminal."""
    if cell_len(name) <= room:
        return name
    while cell_len(name) >= room:
        name = name[1:]
    return f"…{name}"
