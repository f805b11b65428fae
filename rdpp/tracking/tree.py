"""The tree of runs in MLflow: opened, written in the background, and searched for finished runs."""

import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rdpp.engine import BatchFinished, CheckpointWriter, Event, GivenUp, RunSpec
from rdpp.runs import Finished, Node
from rdpp.tracking.location import check_location, is_empty, tracking_uri
from rdpp.tracking.observer import RunObserver
from rdpp.tracking.records import Kind, Record
from rdpp.tracking.writer import Writer

if TYPE_CHECKING:
    from rdpp.tracking.sink import StoreSink
    from rdpp.tracking.store import Store


class MlflowTree:
    """Implements `rdpp.runs.Tree`. Its `with` block ends when all is written.

    MLflow is imported when it is first needed: in the tracking thread, which starts after the first batch, or by the
    first search for a finished run, where the store existed before.
    """

    def __init__(self, uri: str | None = None, store: "Store | None" = None) -> None:
        """Args:
        uri: of the store; see `tracking_uri`.
        store: instead of it, one that is open already.
        """
        self.uri = store.uri if store else tracking_uri(uri)
        self._lock, self._store = Lock(), store
        self._was_empty = store is None and is_empty(self.uri)
        self._writer = Writer(self._open_sink)
        self._scratch = tempfile.TemporaryDirectory(prefix="rdpp-", ignore_cleanup_errors=True)
        self._recorded: set[str] = set()
        """`Identity.training` of every run that this process has recorded."""

    def __enter__(self) -> "MlflowTree":
        if self._was_empty:
            check_location(self.uri)
        else:
            _ = self.store  # opened now: one that cannot be used is told before any work
        self._writer.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self._writer.__exit__(kind, value, traceback)
        finally:
            self._scratch.cleanup()

    @property
    def store(self) -> "Store":
        """The store, opened once for all threads.

        Raises:
            ConfigError: it cannot be used.
        """
        from rdpp.tracking.store import Store

        with self._lock:
            if self._store is None:
                self._store = Store(self.uri)
            return self._store

    @cached_property
    def _sink(self) -> "StoreSink":
        from rdpp.tracking.sink import StoreSink

        return StoreSink(self.store)

    def _open_sink(self) -> "StoreSink":
        return self._sink

    def open(
        self, name: str, *, level: str, parent: Node | None, tags: Mapping[str, object], resume: str | None = None
    ) -> Node:
        """See `Tree.open`."""
        return self._open(name, parent, {**tags, "level": level}, resume=resume)

    def _open(
        self,
        name: str,
        parent: Node | None,
        tags: Mapping[str, object],
        *,
        resume: str | None = None,
        monitor: bool = False,
    ) -> Node:
        node = Node(uuid.uuid4().hex)
        above = parent and parent.local_id
        self._put(node, "open", name=name, parent=above, tags=dict(tags), resume=resume, monitor=monitor)
        return node

    def close(self, node: Node, error: BaseException | None = None) -> None:
        """See `Tree.close`."""
        status, tags = ending(error)
        self._put(node, "close", status=status, tags=tags)

    def run_id(self, node: Node) -> str:
        """See `Tree.run_id`."""
        self.finish()
        return self._sink.run_ids[node.local_id]

    def finish(self) -> None:
        """See `Tree.finish`."""
        self._writer.finish()

    def log_metrics(self, node: Node, metrics: Mapping[str, float], step: int = 0) -> None:
        """See `Tree.log_metrics`."""
        self._put(node, "series", points=[(name, value, step) for name, value in metrics.items()])

    def log_params(self, node: Node, params: Mapping[str, Any]) -> None:
        """See `Tree.log_params`."""
        self._put(node, "params", params=dict(params))

    def set_tags(self, node: Node, tags: Mapping[str, object]) -> None:
        """See `Tree.set_tags`."""
        self._put(node, "tags", tags=dict(tags))

    def log_json(self, node: Node, path: str, data: Any) -> None:
        """See `Tree.log_json`."""
        self._put(node, "json", path=path, data=data)

    def record(self, spec: RunSpec, parent: Node, tags: Mapping[str, object]) -> "RunRecorder":
        """See `Tree.record`."""
        self._recorded.add(spec.identity.training)
        node = self._open(spec.name, parent, {**tags, "level": "run"}, monitor=True)
        return RunRecorder(self, node, Path(self._scratch.name) / node.local_id)

    def find_parent(self, level: str, key: str) -> str | None:
        """See `Tree.find_parent`."""
        if self._was_empty:
            return None
        known = self.store.search(f"tags.level = '{level}' and tags.key = '{key}'")
        return known[0].info.run_id if known else None

    def find(self, spec: RunSpec) -> Finished | None:
        """See `Tree.find`."""
        training = spec.identity.training
        if training in self._recorded:
            self.finish()
        elif self._was_empty:
            return None
        from rdpp.tracking.finished import find_finished

        return find_finished(self.store, spec)

    def evaluations(self, finished: Finished) -> Sequence[tuple[int, Mapping[str, float]]]:
        """See `Tree.evaluations`."""
        from rdpp.tracking.finished import read_evaluations

        return read_evaluations(self.store, finished.run_id)

    def take_over(self, finished: Finished, parent: Node, tags: Mapping[str, object]) -> None:
        """See `Tree.take_over`."""
        group = str(tags.get("trial", tags.get("variant", "")))
        self._put(parent, "take_over", finished=finished.run_id, tags=dict(tags), group=group)

    @contextmanager
    def checkpoint(self, finished: Finished) -> Iterator[Path | None]:
        """See `Tree.checkpoint`."""
        from rdpp.tracking.finished import download_checkpoint

        with tempfile.TemporaryDirectory(prefix="rdpp-") as scratch:
            yield download_checkpoint(self.store, finished, Path(scratch))

    def check(self) -> None:
        """Raise what the tracking thread met, if it met something."""
        self._writer.check()

    def start(self) -> None:
        """Begin to write: until then records wait."""
        self._writer.start()

    def put(self, node: Node, kind: Kind, payload: Mapping[str, Any]) -> None:
        """Put a record of a run."""
        self._writer.put(Record(node.local_id, kind, payload))

    def _put(self, node: Node, kind: Kind, **payload: Any) -> None:
        self.put(node, kind, payload)


class RunRecorder:
    """An observer that hands everything to the tracking thread but the checkpoint, which must be taken at once."""

    name = "tracking"

    def __init__(self, tree: MlflowTree, node: Node, folder: Path) -> None:
        """`folder`: for the checkpoint, until the tracking thread has logged it and deletes it."""
        self._tree, self._node, self._folder = tree, node, folder
        self._checkpoint = CheckpointWriter(folder)
        self._observer = RunObserver(self._put)

    def __call__(self, event: Event) -> None:
        self._tree.check()
        self._checkpoint(event)
        self._observer(event)
        if isinstance(event, BatchFinished):
            self._tree.start()  # not before: importing MLflow would hold up the first step

    def save(self, folder: Path) -> None:
        """Write what was collected so far."""
        for part in (self._checkpoint, self._observer):
            (folder / part.name).mkdir()
            part.save(folder / part.name)

    def load(self, folder: Path) -> None:
        """Take what `save` wrote."""
        for part in (self._checkpoint, self._observer):
            part.load(folder / part.name)

    def close(self, error: BaseException | None) -> None:
        """End the run, well or with an error."""
        if self._folder.is_dir():
            self._put("folder", {"source": str(self._folder), "path": "checkpoint"})
        self._tree.close(self._node, error)

    def _put(self, kind: Kind, payload: Mapping[str, Any]) -> None:
        self._tree.put(self._node, kind, payload)


def ending(error: BaseException | None) -> tuple[str, dict[str, str]]:
    """How a run is closed: FINISHED; KILLED where the user stopped it or it was given up (tag `state`: pruned); else
    FAILED with the error as a tag."""
    if error is None:
        return "FINISHED", {}
    if isinstance(error, GivenUp):
        return "KILLED", {"state": "pruned"}
    if isinstance(error, KeyboardInterrupt):
        return "KILLED", {}
    return "FAILED", {"error": f"{type(error).__name__}: {error}"[:500]}
