"""Tracking off the critical path: a thread of its own that writes one record after the other."""

from collections.abc import Callable
from queue import Queue
from threading import Event, Thread
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
        self._open, self._records = open_sink, Queue[Record | Event | None]()
        self.error: BaseException | None = None
        """Of the first record that failed."""
        self._thread = Thread(target=self._work, name="tracking")
        self._started = False

    def __enter__(self) -> "Writer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.start()
        self._records.put(None)
        self._thread.join()
        if value is None:
            self.check()

    def start(self) -> None:
        """Begin to work, where that is not so yet: until then records wait."""
        if not self._started:
            self._started = True
            self._thread.start()

    def put(self, record: Record) -> None:
        """Put a record at the end of the line; a closing one is written after a failure too."""
        self._records.put(record)

    def check(self) -> None:
        """Raise the error of the record that failed, if one did."""
        if self.error is not None:
            raise self.error

    def finish(self) -> None:
        """Wait for all records so far."""
        self.start()
        reached = Event()
        self._records.put(reached)
        reached.wait()
        self.check()

    def _work(self) -> None:
        sink: Sink | None = None
        while (item := self._records.get()) is not None:
            if isinstance(item, Event):
                item.set()
                continue
            try:
                if self.error is None or (sink is not None and item.kind == "close"):
                    sink = sink or self._open()
                    sink.write(item, self.error)
            except BaseException as error:  # noqa: BLE001 - it is raised where the owner looks
                self.error = self.error or error
