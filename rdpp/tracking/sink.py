"""Records into MLflow: one short function a kind of record. A record that is sent twice is there once."""

import json
import shutil
from collections.abc import Container, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from mlflow.entities import Dataset, DatasetInput, InputTag, Run
from mlflow.exceptions import MlflowException
from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor
from mlflow.utils.mlflow_tags import MLFLOW_LOGGED_ARTIFACTS, MLFLOW_PARENT_RUN_ID

from rdpp.runs import Locks, View, WorkFolder
from rdpp.tracking.artifacts.forgetting import forget_if_unwanted, forget_runs
from rdpp.tracking.artifacts.maps import log_maps
from rdpp.tracking.artifacts.pictures import log_pictures
from rdpp.tracking.artifacts.states import remove_states, store_state
from rdpp.tracking.conventions.location import sqlite_file
from rdpp.tracking.conventions.names import printable
from rdpp.tracking.conventions.tags import (
    ERROR,
    KEY_TRAINING,
    NODE,
    ROOT,
    RUNS,
    STATE,
    WORK_FOLDER,
    groups,
    is_run,
    taken_by,
)
from rdpp.tracking.outbox.records import Record
from rdpp.tracking.store.mlflow_store import Store
from rdpp.tracking.store.outage import collided
from rdpp.tracking.store.repeats import Repeats
from rdpp.tracking.ui.views import write_view

_COLLISIONS = 4  # with other processes, after which a record is tried again
_CHANGES = "mlflow"
"""The lock that is held while something is looked for in MLflow and made where it is missing."""


@dataclass(frozen=True)
class _Known:
    """What never changes of a run in MLflow."""

    run_id: str
    root: str
    """MLflow's id of the root of its tree."""
    parent_of_run: str | None
    """Of the run above; only of a run of one category and seed."""


class StoreSink:
    """Writes records to a store, and knows under which id it keeps each run."""

    def __init__(
        self,
        store: Store,
        work: WorkFolder,
        monitored: Container[str] = (),
        locks: Locks | None = None,
        *,
        system_metrics_interval: int = 5,
    ) -> None:
        """Args:
        store: to write to.
        work: this machine's.
        locks: let one process at a time make a run; by default those of `work`: this machine works alone.
        monitored: nodes that this process trains; the machine's load is logged with them.
        system_metrics_interval: seconds.
        """
        self.store = store
        self._work, self._monitored, self._interval = work, monitored, system_metrics_interval
        self._locks: Locks = locks or work
        self._between_machines = locks is not None and locks is not work
        self._known: dict[str, _Known] = {}
        """By `Node.id`."""
        self._left: set[str] = set()
        """Nodes of runs that another machine has gone on with."""
        self._repeats: dict[str, Repeats] = {}
        """Of runs that go on from another machine's state."""
        self._monitors: dict[str, SystemMetricsMonitor] = {}

    def knows(self, node: str) -> bool:
        """Whether a node has an MLflow run."""
        if node not in self._known:
            run = self.store.run_of_node(node)
            if run is None:
                return False
            tags, run_id = run.data.tags, run.info.run_id
            trial = tags.get(MLFLOW_PARENT_RUN_ID) if is_run(tags) else None
            self._known[node] = _Known(run_id, tags.get(ROOT, run_id), trial)
            if self._is_elsewhere(run):
                self._left.add(node)
        return True

    def _is_elsewhere(self, run: Run) -> bool:
        """Whether another machine works, or has worked last, at a run of one category and seed."""
        tags = run.data.tags
        return is_run(tags) and tags.get(WORK_FOLDER) not in (None, self._work.id())

    def run_id(self, node: str) -> str:
        """MLflow's id of a node's run.

        Raises:
            LookupError: it has none.
        """
        return self._ids(node).run_id

    def _ids(self, node: str) -> "_Known":
        if not self.knows(node):
            raise LookupError(f"MLflow has no run with the tag node = {node}; was it deleted?")
        return self._known[node]

    def write(self, record: Record, failure: BaseException | None) -> None:
        """Write one record. Parents, and what a record refers to, must be in MLflow already.

        `failure`: of another record, which a run is marked by that would end well.
        """
        for _ in range(_COLLISIONS):
            try:
                return self._write(record, failure)
            except MlflowException as error:
                if not collided(error):
                    raise
        return self._write(record, failure)

    def _write(self, record: Record, failure: BaseException | None) -> None:
        if record.kind == "open":
            self._open(record, **record.payload)
            return
        if self.knows(record.node) and record.node in self._left:
            return  # what this machine had still to say of it is said by the other
        match record.kind:
            case "series" if record.node in self._repeats:
                new = self._repeats[record.node].without(record.payload["points"])
                _series(self.store, self.run_id(record.node), record, points=new)
            case "close":
                self._close(record, failure, **record.payload)
            case "take_over":
                self._take_over(record.node, **record.payload)
            case "forget":
                if self.knows(record.node):  # nothing is to be forgotten of what was deleted in MLflow
                    forget_runs(self.store, self.run_id(record.node), self._changing)
            case "view":
                view = View.from_data(record.payload["view"])
                write_view(self.store, view, record.node, self.run_id(record.node), record.time, self._changing)
            case _:
                _KINDS[record.kind](self.store, self.run_id(record.node), record, **record.payload)

    def _open(self, record: Record, *, name: str, parent: str | None, tags: Mapping[str, Any]) -> None:
        known = None if parent is None else self._ids(parent)
        above, root = (known.run_id, known.root) if known else (None, None)
        own = tags if root is None else {**tags, ROOT: root}
        if sqlite_file(self.store.uri) is None:  # which has one work folder, beside it
            own = {**own, WORK_FOLDER: self._work.id()}
        with self._changing():
            if KEY_TRAINING in tags and WORK_FOLDER in own:
                self._leave_behind(record.node, tags[KEY_TRAINING])
            run_id = self.store.start_run(name, parent=above, tags=own, node=record.node, started=record.time)
        self._known[record.node] = _Known(run_id, root or run_id, above if is_run(tags) else None)
        if record.node in self._monitored:
            self._stop_monitor(record.node)
            self._monitors[record.node] = SystemMetricsMonitor(
                run_id,
                sampling_interval=self._interval,
                samples_before_logging=1,
                resume_logging=True,
                tracking_uri=self.store.uri,
            )
            self._monitors[record.node].start()

    def _take_over(
        self, node: str, *, run_id: str | None, taken: str | None, tags: Mapping[str, Any], group: str
    ) -> None:
        """If the finished run stands under this parent already, its tags are updated; otherwise it gets a tag that
        names the root of the tree that took it over."""
        known_parent = self._ids(node)
        above, root = known_parent.run_id, known_parent.root
        finished = run_id or self.run_id(str(taken))
        with self._changing():
            known = self.store.client.get_run(finished).data.tags
            if known.get(MLFLOW_PARENT_RUN_ID) == above:
                self.store.set_tags(finished, tags)
            else:
                all_groups = dict.fromkeys([*groups(known, taken_by(root)), group])
                self.store.set_tags(finished, {taken_by(root): json.dumps(list(all_groups))})

    def _close(self, record: Record, failure: BaseException | None, *, status: str, tags: Mapping[str, Any]) -> None:
        self._stop_monitor(record.node)
        if status == "FINISHED" and failure is not None:
            status, tags = "FAILED", {ERROR: f"{type(failure).__name__}: {failure}"[:500]}
        run_id = self.run_id(record.node)
        self.store.end_run(run_id, status, tags, record.time)
        # after the end: whoever forgets the trial leaves runs that have not ended to this line
        if (parent := self._ids(record.node).parent_of_run) is not None:
            forget_if_unwanted(self.store, run_id, parent, self._changing)

    def _leave_behind(self, node: str, training: str) -> None:
        """This machine holds a run, and begins with it. What another one, which is gone, has logged of it is gone on
        with if it is the same node; else it is marked."""
        query = f"tags.{KEY_TRAINING} = '{training}' and {RUNS} and attributes.status != 'FINISHED'"
        for run in filter(self._is_elsewhere, self.store.search(query)):
            if run.data.tags.get(NODE) == node:
                self._repeats[node] = Repeats(self.store, run)
            elif run.info.status == "RUNNING" and self._between_machines:
                self.store.end_run(run.info.run_id, "KILLED", {STATE: "left"})

    def _changing(self) -> AbstractContextManager[None]:
        return self._locks.lock(_CHANGES)

    def _stop_monitor(self, node: str) -> None:
        if node in self._monitors:
            self._monitors.pop(node).finish()


def _tags(store: Store, run_id: str, record: Record, *, tags: Mapping[str, Any]) -> None:
    store.set_tags(run_id, tags)


def _params(store: Store, run_id: str, record: Record, *, params: Mapping[str, Any]) -> None:
    store.log_params(run_id, params)


def _series(store: Store, run_id: str, record: Record, *, points: Sequence[tuple[str, float, int]]) -> None:
    """With the record's time: what MLflow has already it drops."""
    store.log_series(run_id, points, record.time)


def _text(store: Store, run_id: str, record: Record, *, path: str, text: str) -> None:
    store.client.log_text(run_id, printable(text), path)


def _json(store: Store, run_id: str, record: Record, *, path: str, data: Any) -> None:
    store.client.log_dict(run_id, printable(data), path)


def _table(store: Store, run_id: str, record: Record, *, path: str, columns: Mapping[str, Sequence[Any]]) -> None:
    """The file and the tag that MLflow's `log_table` would write, which appends to a file that is there already."""
    rows = [list(row) for row in zip(*columns.values(), strict=True)]
    store.client.log_dict(run_id, printable({"columns": list(columns), "data": rows}), path)
    store.client.set_tag(run_id, MLFLOW_LOGGED_ARTIFACTS, json.dumps([{"path": path, "type": "table"}]))


def _dataset(
    store: Store, run_id: str, record: Record, *, name: str, digest: str, folder: str, profile: Mapping[str, int]
) -> None:
    source = json.dumps({"uri": folder})
    name = printable(name)
    dataset = Dataset(name, digest, "local", source, profile=json.dumps(profile))
    context = [InputTag("mlflow.data.context", "training and test")]
    store.client.log_inputs(run_id, [DatasetInput(dataset, context)])


def _maps(store: Store, run_id: str, record: Record, **maps: Any) -> None:
    log_maps(store, run_id, **maps)


def _folder(store: Store, run_id: str, record: Record, *, path: str) -> None:
    """A folder of files that lies in the node's."""
    store.client.log_artifacts(run_id, str(record.folder / path), path)


def _state(store: Store, run_id: str, record: Record, *, path: str | None, batch: int) -> None:
    """A state that lies in the node's folder, and is removed there; without a path all states are removed."""
    if path is None:
        remove_states(store, run_id)
        return
    store_state(store, run_id, record.folder / path, batch)
    shutil.rmtree(record.folder / path)


def _pictures(store: Store, run_id: str, record: Record, **pictures: Any) -> None:
    log_pictures(store, run_id, **pictures)


_KINDS: dict[str, Any] = {
    "tags": _tags,
    "params": _params,
    "series": _series,
    "text": _text,
    "json": _json,
    "table": _table,
    "dataset": _dataset,
    "maps": _maps,
    "pictures": _pictures,
    "folder": _folder,
    "state": _state,
}
