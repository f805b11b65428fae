"""How far a download has come, on standard error."""

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from rdpp.display.screen import times


class DownloadBar:
    """A bar where standard error is a terminal, nothing elsewhere. Implements `rdpp.download.transfer.Progress`."""

    def __init__(self, console: Console | None = None) -> None:
        """`console`: for tests."""
        self.console = console or Console(stderr=True, markup=False)
        columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), DownloadColumn(), TransferSpeedColumn())
        self._progress = Progress(
            *columns,
            *times(),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self._task = self._progress.add_task("download", total=None)

    def __enter__(self) -> "DownloadBar":
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.stop()

    def at(self, done: int, total: int | None) -> None:
        """See `Progress.at`."""
        self._progress.update(self._task, completed=done, total=total)

    def line(self, text: str) -> None:
        """One line that stays."""
        self.console.print(text, highlight=False, soft_wrap=True)
