"""One run as the tracking thread sees it: opened, told its events, closed."""

import tempfile
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING

from rdpp.engine import BatchFinished, CheckpointWriter, Event
from rdpp.tracking.writer import Writer

if TYPE_CHECKING:
    from rdpp.tracking.observer import RunObserver
    from rdpp.tracking.store import Store


class RunRecorder:
    """An observer that hands everything to a writer but the checkpoint, which must be taken at once."""

    def __init__(self, writer: Writer, name: str, parent: Future[str] | str, tags: Mapping[str, object]) -> None:
        self.writer = writer
        self._scratch = tempfile.TemporaryDirectory(prefix="rdpp-")
        self._checkpoint = CheckpointWriter(Path(self._scratch.name))
        self._observer: RunObserver | None = None
        writer.submit(lambda store: self._open(store, name, parent, tags))

    def __call__(self, event: Event) -> None:
        self.writer.check()
        self._checkpoint(event)
        self.writer.submit(lambda store: self._tell(event))
        if isinstance(event, BatchFinished):
            self.writer.start()  # not before: importing MLflow would hold up the first step

    def close(self, error: BaseException | None) -> None:
        """End the run, well or with an error."""
        self.writer.submit(lambda store: self._close(store, error), closing=True)

    def _open(self, store: "Store", name: str, parent: Future[str] | str, tags: Mapping[str, object]) -> None:
        from rdpp.tracking.observer import RunObserver

        above = parent if isinstance(parent, str) else parent.result()
        self._observer = RunObserver(store, store.start_run(name, parent=above, tags=tags))

    def _tell(self, event: Event) -> None:
        assert self._observer is not None
        self._observer(event)

    def _close(self, store: "Store", error: BaseException | None) -> None:
        from rdpp.tracking.observer import log_checkpoint

        with self._scratch as scratch:
            if self._observer is None:  # it could not even be opened
                return
            self._observer.close()
            run_id = self._observer.run_id
            try:
                log_checkpoint(store, run_id, Path(scratch))
            except BaseException as failure:
                store.end_run(run_id, failure)
                raise
            store.end_run(run_id, error or self.writer.error)
