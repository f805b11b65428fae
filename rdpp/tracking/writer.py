"""Tracking off the critical path: a thread of its own that does one job after the other."""

from collections.abc import Callable
from concurrent.futures import Future
from queue import Queue
from threading import Thread
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from rdpp.tracking.store import Store

T = TypeVar("T")


class Writer:
    """Does jobs with a store in the order in which they are submitted, while its owner goes on.

    The first job that fails stops those after it, but for closing ones, and its error is raised at the owner's next
    `check`, `finish`, or end of the `with` block, which all jobs are waited for: nothing submitted is lost.
    """

    def __init__(self, open_store: "Callable[[], Store]") -> None:
        """`open_store` is called in the thread, before the first job."""
        self._open, self._jobs = open_store, Queue[tuple[Callable[[Any], Any], Future[Any], bool] | None]()
        self.error: BaseException | None = None
        """Of the first job that failed."""
        self._thread = Thread(target=self._work, name="tracking")
        self._started = False

    def __enter__(self) -> "Writer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.start()
        self._jobs.put(None)
        self._thread.join()
        if value is None:
            self.check()

    def start(self) -> None:
        """Begin to work, where that is not so yet: until then jobs wait."""
        if not self._started:
            self._started = True
            self._thread.start()

    def submit(self, job: "Callable[[Store], T]", *, closing: bool = False) -> "Future[T]":
        """Put a job at the end of the line; a closing one is done after a failure too."""
        future: Future[T] = Future()
        self._jobs.put((job, future, closing))
        return future

    def check(self) -> None:
        """Raise the error of the job that failed, if one did."""
        if self.error is not None:
            raise self.error

    def finish(self) -> None:
        """Wait for all jobs so far."""
        self.start()
        self.submit(lambda store: None, closing=True).exception()
        self.check()

    def _work(self) -> None:
        store: Store | None = None
        while (item := self._jobs.get()) is not None:
            job, future, closing = item
            try:
                if self.error is not None and (store is None or not closing):
                    raise self.error
                store = store or self._open()
                future.set_result(job(store))
            except BaseException as error:  # noqa: BLE001 - it is raised where the owner looks
                self.error = self.error or error
                future.set_exception(error)
