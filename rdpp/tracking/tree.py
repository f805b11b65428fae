"""The tree of runs in MLflow: opened, written in the background, and searched for finished runs."""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rdpp.addresses import shown
from rdpp.config import digest
from rdpp.engine import RunSpec
from rdpp.runs import Finished, Hold, Locks, Node, View, run_lock
from rdpp.runs.patience import PATIENCE, Patience
from rdpp.tracking.conventions.artifacts import CHECKPOINT
from rdpp.tracking.conventions.location import check_location, is_empty, tracking_uri, work_folder
from rdpp.tracking.conventions.tags import KEY, KEY_TRAINING, LEVEL, group_of
from rdpp.tracking.outbox.delivery import Delivery, tell
from rdpp.tracking.outbox.outboxes import Home, Outboxes
from rdpp.tracking.outbox.records import Kind
from rdpp.tracking.outbox.result import evaluations_here, find_here
from rdpp.tracking.recorder import RunRecorder, ending
from rdpp.tracking.ui.labels import leaf_name

if TYPE_CHECKING:
    from rdpp.tracking.sink import StoreSink
    from rdpp.tracking.store.mlflow_store import Store


class MlflowTree:
    """Implements `rdpp.runs.Tree`. Its `with` block ends when all is written, or waits on disk for an absent store.

    MLflow is imported when it is first needed: in the tracking thread, which starts after the first batch, or by the
    first search for a finished run, where the store exists.
    """

    def __init__(
        self,
        uri: str | None = None,
        store: "Store | None" = None,
        *,
        locks_url: str | None = None,
        must_be_there: bool = True,
        tell: Callable[[str], None] = tell,
        patience: float = PATIENCE,
    ) -> None:
        """Args:
        uri: of the store; see `tracking_uri`.
        store: instead of it, one that is open already.
        locks_url: of a PostgreSQL database by whose locks several machines share the work; None: this machine works
            alone.
        must_be_there: whether a store that cannot be reached at the beginning is an error; a worker of a command that
            has begun goes on without.
        tell: is given lines for a person, such as that the store is away.
        patience: seconds that the end waits for a store that is away.
        """
        self.uri = store.uri if store else tracking_uri(uri)
        self.work = work_folder(self.uri)
        self.locks: Locks = self.work
        """See `Tree.locks`."""
        self._thread_locks: Locks = self.work
        """The same for the tracking thread, to which an absent server of locks is an absent store."""
        self._locks_url, self._must_be_there = locks_url, must_be_there
        self._lock, self._store = Lock(), store
        self._sink: StoreSink | None = None
        self._outboxes = Outboxes.of(self.work, self.uri)
        self._delivery = Delivery(
            self._outboxes, self._open_sink, self.uri, outage=self._outage, tell=tell, patience=patience
        )
        self._recorded: set[str] = set()
        """Nodes of the runs that this process trains."""

    def __enter__(self) -> "MlflowTree":
        if is_empty(self.uri):
            check_location(self.uri)
        elif self._must_be_there:
            _ = self.store  # opened now: one that cannot be used is told before any work
        with ExitStack() as begun:
            begun.enter_context(self.work.in_use())
            if self._locks_url is not None:
                from rdpp.runs.advisory import between_machines

                session = between_machines(self._locks_url, self.work, must_be_there=self._must_be_there)
                self.locks = begun.enter_context(session)
                self._thread_locks = self.locks.impatient()
            self._end = begun.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self._delivery.end(value)
        finally:
            self._end.close()

    @property
    def store(self) -> "Store":
        """The store, opened once for all threads.

        Raises:
            ConfigError: it cannot be used.
        """
        from rdpp.tracking.store.mlflow_store import Store

        with self._lock:
            if self._store is None:
                self._store = Store(self.uri)
            return self._store

    def _open_sink(self) -> "StoreSink":
        """The one sink of all threads."""
        from rdpp.tracking.sink import StoreSink

        store = self.store
        with self._lock:
            if self._sink is None:
                self._sink = StoreSink(store, self.work, self._recorded, self._thread_locks)
            return self._sink

    @contextmanager
    def hold(self, training: str) -> Iterator[Hold | None]:
        """See `Tree.hold`."""
        with self.locks.lock_if_free(run_lock(training)) as hold:
            yield hold
            if hold is not None:
                self.share()  # other machines look for it in the store

    def _outage(self, error: BaseException) -> str | None:
        from rdpp.tracking.store.outage import outage

        return outage(error, self.uri)

    def open(self, name: str, *, level: str, key: str, parent: Node | None, tags: Mapping[str, object]) -> Node:
        """See `Tree.open`."""
        node = self.node(level, key, parent)
        own = {**tags, LEVEL: level, KEY: key}
        self._put(node, "open", name=name, parent=parent and parent.id, tags=_texts(own))
        return node

    def node(self, level: str, key: str, parent: Node | None) -> Node:
        """See `Tree.node`."""
        return Node(digest([level, key, parent and parent.id]))

    def close(self, node: Node, error: BaseException | None = None) -> None:
        """See `Tree.close`."""
        status, tags = ending(error)
        self._put(node, "close", status=status, tags=tags)

    def run_id(self, node: Node) -> str:
        """See `Tree.run_id`.

        Raises:
            ConfigError: the store is away and does not come back.
        """
        self._delivery.wait()
        return self._open_sink().run_id(node.id)

    def known_run_id(self, node: Node) -> str | None:
        """The same; None where the store is away."""
        self._delivery.finish()
        return None if self._delivery.away is not None else self._open_sink().run_id(node.id)

    def finish(self) -> None:
        """See `Tree.finish`; what an absent store has not got waits on disk."""
        self._delivery.finish()

    def share(self) -> None:
        """See `Tree.share`."""
        if self._locks_url is not None:
            self._delivery.finish()

    def log_metrics(self, node: Node, metrics: Mapping[str, float], step: int = 0) -> None:
        """See `Tree.log_metrics`."""
        self._put(node, "series", points=[(name, float(value), step) for name, value in metrics.items()])

    def log_params(self, node: Node, params: Mapping[str, Any]) -> None:
        """See `Tree.log_params`."""
        self._put(node, "params", params=_texts(params))

    def set_tags(self, node: Node, tags: Mapping[str, object]) -> None:
        """See `Tree.set_tags`."""
        self._put(node, "tags", tags=_texts(tags))

    def log_json(self, node: Node, path: str, data: Any) -> None:
        """See `Tree.log_json`."""
        self._put(node, "json", path=path, data=data)

    def log_text(self, node: Node, path: str, text: str) -> None:
        """See `Tree.log_text`."""
        self._put(node, "text", path=path, text=text)

    def save_view(self, node: Node, view: View) -> None:
        """See `Tree.save_view`."""
        self._put(node, "view", view=view.to_data())

    def record(self, spec: RunSpec, parent: Node, tags: Mapping[str, object]) -> RunRecorder:
        """See `Tree.record`."""
        training = spec.identity.training
        home = Home(self.work.of(training))
        outbox = self._outboxes.of_node(home.node(), training)
        if outbox.is_over():  # its process died before it could forget that run
            outbox = self._outboxes.of_node(home.new_node(), training)
        self._recorded.add(outbox.node)
        outbox.open(leaf_name(spec, tags), parent.id, _texts({**tags, LEVEL: "run", KEY_TRAINING: training}))
        self._delivery.notice(outbox)
        return RunRecorder(self._delivery, outbox, home, states=spec.experiment.state == "tracking")

    def fetch_state(self, spec: RunSpec, folder: Path) -> None:
        """See `Tree.fetch_state`; a store that is away is waited for."""
        if self._store is None and is_empty(self.uri):
            return
        from rdpp.tracking.artifacts.states import fetch_newest

        patience = Patience(f"the MLflow store {shown(self.uri)}")
        while True:
            try:
                node = fetch_newest(self.store, spec.identity.training, folder)
                break
            except Exception as error:
                if self._outage(error) is None:
                    raise
                patience.wait(error)
        if node is not None:
            Home(folder.parent).become(node)

    def abandon(self, training: str, error: BaseException) -> None:
        """See `Tree.abandon`."""
        status, tags = ending(error)
        for outbox in self._outboxes.of_training(training):
            if not outbox.is_over():
                outbox.close(status, tags)
                Home(self.work.of(training)).leave(outbox.node)
                self._delivery.notice(outbox)

    def find(self, spec: RunSpec, since: float = 0.0) -> Finished | None:
        """See `Tree.find`. While the store is away, only runs are found that it has not got."""
        here = find_here(self._outboxes, spec, since)
        if here is not None and here.same_test_files:
            return here
        stored = self._find_stored(spec, since)
        return stored if stored is not None and (here is None or stored.same_test_files) else here

    def _find_stored(self, spec: RunSpec, since: float) -> Finished | None:
        if self._delivery.away is not None or (self._store is None and is_empty(self.uri)):
            return None
        try:
            from rdpp.tracking.reading.finished import find_finished

            return find_finished(self.store, spec, since)
        except Exception as error:
            if self._outage(error) is None:
                raise
            return None

    def run_id_of(self, spec: RunSpec) -> str | None:
        """MLflow's id of the finished run with a spec's network; None where there is none, or the store is away."""
        finished = self.find(spec)
        return None if finished is None or self._delivery.away is not None else self._stored_id(finished)

    def evaluations(self, finished: Finished) -> Sequence[tuple[int, Mapping[str, float]]]:
        """See `Tree.evaluations`."""
        outbox = None if finished.node is None else self._outboxes.find(finished.node.id)
        here = None if outbox is None else evaluations_here(outbox)
        if here is not None:
            return here
        from rdpp.tracking.reading.finished import read_evaluations

        return read_evaluations(self.store, self._stored_id(finished))

    def take_over(self, finished: Finished, parent: Node, tags: Mapping[str, object]) -> None:
        """See `Tree.take_over`."""
        taken = finished.node and finished.node.id
        self._put(parent, "take_over", run_id=finished.run_id, taken=taken, tags=_texts(tags), group=group_of(tags))

    def forget(self, node: Node) -> None:
        """See `Tree.forget`."""
        self._put(node, "forget")

    @contextmanager
    def checkpoint(self, finished: Finished) -> Iterator[Path | None]:
        """See `Tree.checkpoint`."""
        from rdpp.tracking.reading.finished import checkpoint_of_epoch, download_checkpoint

        outbox = None if finished.node is None else self._outboxes.find(finished.node.id)
        if outbox is not None:
            with self._outboxes.lock(outbox):  # else it may be sent and removed meanwhile
                if outbox.folder.is_dir():
                    yield checkpoint_of_epoch(outbox.folder / CHECKPOINT, finished.epoch)
                    return
        with tempfile.TemporaryDirectory(prefix="rdpp-") as scratch:
            yield download_checkpoint(self.store, self._stored_id(finished), finished.epoch, Path(scratch))

    def _stored_id(self, finished: Finished) -> str:
        if finished.run_id is not None:
            return finished.run_id
        assert finished.node is not None
        return self._open_sink().run_id(finished.node.id)

    def check(self) -> None:
        """Raise what the tracking thread met, if it met something that is no outage."""
        self._delivery.check()

    def _put(self, node: Node, kind: Kind, **payload: Any) -> None:
        self._delivery.put(self._outboxes.of_node(node.id), kind, payload)


def _texts(values: Mapping[str, object]) -> dict[str, str]:
    """As MLflow keeps them; JSON would make lists of tuples."""
    return {name: str(value) for name, value in values.items()}
