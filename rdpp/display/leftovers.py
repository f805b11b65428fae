"""What `rdpp runs list` prints."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table

from rdpp.display.console import output_console

Rows = Sequence[Mapping[str, Any]]


def print_leftovers(found: Mapping[str, Any]) -> None:
    """A table of each kind of which there is something, and below them what all takes on disk.

    `found`: what `rdpp runs list --json` prints.
    """
    console = output_console()
    tables = {
        "runs that MLflow has as RUNNING": (_open_run, found["runs"]),
        "runs that began and have not ended": (_interrupted, found["interrupted"]),
        "records that MLflow has not got": (_waiting, found["outboxes"]),
        "scratch": (_scratch, found["scratch"]),
    }
    for title, (row, things) in tables.items():
        if things:
            console.print(_table(title, [row(one) for one in things]))
    for line in _sums(found):
        console.print(line, highlight=False, soft_wrap=True)


def _table(title: str, rows: Rows) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in rows[0]:
        table.add_column(column, justify="right" if column in ("MB", "records", "after batch") else "left")
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    return table


def _open_run(run: Mapping[str, Any]) -> dict[str, object]:
    return {
        "level": run["level"],
        "name": run["name"],
        "since": _ago(run["started"]),
        "": run["status"],
        "MLflow run": run["run_id"],
    }


def _interrupted(run: Mapping[str, Any]) -> dict[str, object]:
    notes = {"in work": run["in_work"], "finished": run["finished"], "the code has changed": run["code_changed"]}
    return {
        "name": run["name"] or "-",
        "after batch": "-" if run["batch"] is None else run["batch"],
        "saved": _ago(run["saved"]),
        "": ", ".join(note for note, holds in notes.items() if holds) or "goes on when its command is given again",
        "MB": _mb(run["bytes"]),
        "folder": run["training"],
    }


def _waiting(outbox: Mapping[str, Any]) -> dict[str, object]:
    notes = {"in work": outbox["in_work"], "some were refused": outbox["refused"]}
    return {
        "node": outbox["node"],
        "records": outbox["records"],
        "": ", ".join(note for note, holds in notes.items() if holds) or "send them with: rdpp sync",
        "MB": _mb(outbox["bytes"]),
    }


def _scratch(one: Mapping[str, Any]) -> dict[str, object]:
    return {"folder": one["path"], "": "in work" if one["in_work"] else "left over", "MB": _mb(one["bytes"])}


def _sums(found: Mapping[str, Any]) -> list[str]:
    kinds = {"states": "interrupted", "waiting records": "outboxes", "scratch": "scratch"}
    work = ", ".join(f"{kind} {_mb(sum(one['bytes'] for one in found[key]))} MB" for kind, key in kinds.items())
    artifacts = found["artifacts"]
    stored = (
        "lie on another machine"
        if artifacts is None
        else ", ".join(f"{kind} {_mb(taken)} MB" for kind, taken in artifacts.items()) or "none yet"
    )
    return [
        f"work folder {found['work_folder']}: {work}, {found['free_locks']} files of locks that nobody holds",
        f"artifacts of {found['store']}: {stored}",
    ]


def _mb(taken: int) -> str:
    return f"{taken / 1e6:.1f}"


def _ago(when: float | None) -> str:
    """How long ago a moment was, in the largest unit.

    >>> _ago(time.time() - 7300)
    '2 h ago'
    """
    if when is None:
        return "-"
    seconds = time.time() - when
    for unit, length in {"d": 86400, "h": 3600, "min": 60}.items():
        if seconds >= length:
            return f"{seconds // length:.0f} {unit} ago"
    return f"{max(0.0, seconds):.0f} s ago"
