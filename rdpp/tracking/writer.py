"""Tracking off the critical path: a thread of its own that writes one record after the other."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Protocol

from rdpp.tracking.records import Record


class Sink(Protocol):
    """Where records go."""

    def write(self, record: Record, failure: BaseException | None) -> None:
        """Write one. After a failure only closing records come, with it."""
        ...


class Writer:
    """Writes records in the order in which they are put, while their owner goes on.

    The first that fails stops those after it, but for closing ones, and its error is raised at the owner's next
    `check`, `finish`, or end of the `with` block, which waits for all records: nothing is lost.
    """

    def __init__(self, open_sink: Callable[[], Sink]) -> None:
        """`open_sink` is called in the thread, before the first record."""
        self._open = open_sink
        self._sink: Sink | None = None
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="tracking")
        self._waiting: list[Record] | None = []
        """Until the start; then None."""
        self.error: BaseException | None = None
        """Of the first record that failed."""

    def __enter__(self) -> "Writer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.start()
        self._pool.shutdown()
        if value is None:
            self.check()

    def start(self) -> None:
        """Begin to work, where that is not so yet: until then records wait."""
        waiting, self._waiting = self._waiting, None
        for record in waiting or ():
            self._pool.submit(self._write, record)

    def put(self, record: Record) -> None:
        """Put a record at the end of the line; a closing one is written after a failure too."""
        if self._waiting is None:
            self._pool.submit(self._write, record)
        else:
            self._waiting.append(record)

    def check(self) -> None:
        """Raise the error of the record that failed, if one did."""
        if self.error is not None:
            raise self.error

    def finish(self) -> None:
        """Wait for all records so far."""
        self.start()
        self._pool.submit(lambda: None).result()  # one thread: it comes after all others
        self.check()

    def _write(self, record: Record) -> None:
        try:
            if self.error is None or (self._sink is not None and record.kind == "close"):
                self._sink = self._sink or self._open()
                self._sink.write(record, self.error)
        except BaseException as error:  # noqa: BLE001 - it is raised where the owner looks
            self.error = self.error or error
