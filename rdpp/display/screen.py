"""The terminal: lines above, and below them one bar for all runs and one for each worker."""

import time
from datetime import timedelta
from types import TracebackType
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

_UNITS = 1000
"""Of progress a run: its batches differ from category to category."""
_KNOWN = 1e-3
"""Of a run, from which on its pace is known: differences of sums leave rounding behind."""
_PACE = 60.0
"""Seconds between lines of progress where there is no live display."""


def times() -> tuple[ProgressColumn, ...]:
    """Columns of a bar: its times, and what they are."""
    return TextColumn("elapsed"), TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn()


class Screen(Protocol):
    """Where an observer shows what happens."""

    def line(self, text: str) -> None:
        """One line that stays."""
        ...

    def show(self, *, done: float, running: str | None = None, best: str | None = None) -> None:
        """How many runs are done, the fraction of the one in work among them; None leaves a text as it is."""
        ...


class Terminal:
    """A live display on standard error where that is a terminal; elsewhere plain lines, of progress one a minute."""

    def __init__(self, runs: int | None, console: Console | None = None) -> None:
        """Args:
        runs: how many runs are to come, for the time left; None where nobody knows.
        console: for tests.
        """
        self.console = console or Console(stderr=True, markup=False)
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("elapsed"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            TextColumn("{task.fields[best]}", markup=False),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self._all = self._progress.add_task("starting", total=runs and runs * _UNITS, best="", left="")
        self._runs = runs
        self._finished = 0
        self._worked = 0.0
        self._begun = self._told = time.monotonic()
        self._done: dict[int, float] = {}
        self._tasks: dict[int, TaskID] = {}

    def __enter__(self) -> "Terminal":
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.stop()

    def finished_before(self, runs: int) -> None:
        """So many of the runs need no work: the time left does not count them."""
        self._finished = runs

    def line(self, text: str) -> None:
        """See `Screen.line`."""
        self.console.print(text, highlight=False, soft_wrap=True)

    def show(self, *, done: float, running: str | None = None, best: str | None = None) -> None:
        """See `Screen.show`."""
        self._count(0, done)
        self._update(running, best)

    def show_worker(self, worker: int, *, done: float, running: str | None = None, best: str | None = None) -> None:
        """The same of one worker of several, which gets a bar of its own."""
        self._count(worker, done)
        if worker not in self._tasks:
            self._tasks[worker] = self._progress.add_task(f"worker {worker}", total=_UNITS, best="", left="")
        description = None if running is None else f"worker {worker}: {running}"
        self._progress.update(self._tasks[worker], completed=done % 1 * _UNITS)
        if description is not None:
            self._progress.update(self._tasks[worker], description=description)
        self._update("all workers", best)

    def _count(self, worker: int, done: float) -> None:
        """Whole runs at once were not worked at: they had finished before, or will not take place."""
        step = done - self._done.get(worker, 0.0)
        self._worked += step if step < 1 else 0.0
        self._done[worker] = done

    def _left(self) -> str:
        """`left 0:05:20`, by what a run has taken until now; nothing where that cannot be known yet."""
        if self._runs is None or self._worked < _KNOWN:
            return ""
        pace = (time.monotonic() - self._begun) / self._worked
        left = min(self._runs - sum(self._done.values()), self._runs - self._finished - self._worked)
        return f"left {timedelta(seconds=round(pace * max(0.0, left)))}"

    def _tell(self) -> None:
        """A line of progress, where there is no live display and the last one is a minute old."""
        now = time.monotonic()
        if self.console.is_terminal or now - self._told < _PACE:
            return
        self._told = now
        task = self._progress.tasks[self._all]
        done = sum(self._done.values())
        of = f"{done:.1f} runs" if self._runs is None else f"{done:.1f} of {self._runs} runs"
        elapsed = f"elapsed {timedelta(seconds=round(now - self._begun))}"
        self.line(", ".join(filter(None, (task.description, of, elapsed, task.fields["left"], task.fields["best"]))))

    def _update(self, description: str | None, best: str | None) -> None:
        done = sum(self._done.values())
        self._progress.update(self._all, completed=done * _UNITS, left=self._left())
        if description is not None:
            self._progress.update(self._all, description=description)
        if best is not None:
            self._progress.update(self._all, best=best)
        self._tell()
