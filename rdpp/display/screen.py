"""The terminal: lines above, and below them one bar for all runs and one for each worker."""

from types import TracebackType
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

_UNITS = 1000
"""Of progress a run: its batches differ from category to category."""


class Screen(Protocol):
    """Where an observer shows what happens."""

    def line(self, text: str) -> None:
        """One line that stays."""
        ...

    def show(self, *, done: float, running: str | None = None, best: str | None = None) -> None:
        """How many runs are done, the fraction of the one in work among them; None leaves a text as it is."""
        ...


class Terminal:
    """A live display on standard error where that is a terminal, plain lines elsewhere."""

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
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[best]}", markup=False),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self._all = self._progress.add_task("starting", total=runs and runs * _UNITS, best="")
        self._done: dict[int, float] = {}
        self._tasks: dict[int, TaskID] = {}

    def __enter__(self) -> "Terminal":
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.stop()

    def line(self, text: str) -> None:
        """See `Screen.line`."""
        self.console.print(text, highlight=False, soft_wrap=True)

    def show(self, *, done: float, running: str | None = None, best: str | None = None) -> None:
        """See `Screen.show`."""
        self._done[0] = done
        self._update(running, best)

    def show_worker(self, worker: int, *, done: float, running: str | None = None, best: str | None = None) -> None:
        """The same of one worker of several, which gets a bar of its own."""
        self._done[worker] = done
        if worker not in self._tasks:
            self._tasks[worker] = self._progress.add_task(f"worker {worker}", total=_UNITS, best="")
        description = None if running is None else f"worker {worker}: {running}"
        self._progress.update(self._tasks[worker], completed=done % 1 * _UNITS)
        if description is not None:
            self._progress.update(self._tasks[worker], description=description)
        self._update("all workers", best)

    def _update(self, description: str | None, best: str | None) -> None:
        self._progress.update(self._all, completed=sum(self._done.values()) * _UNITS)
        if description is not None:
            self._progress.update(self._all, description=description)
        if best is not None:
            self._progress.update(self._all, best=best)
