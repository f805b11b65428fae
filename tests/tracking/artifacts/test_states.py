"""States among a run's artifacts, and what of a run is logged once although two machines had it."""

from types import SimpleNamespace

import pytest

from rdpp.config import ConfigError
from rdpp.runs.work_folder import WorkFolder
from rdpp.tracking.artifacts import states
from rdpp.tracking.artifacts.states import fetch_newest, remove_states, store_state
from rdpp.tracking.conventions.tags import NODE, WORK_FOLDER
from rdpp.tracking.outbox.outboxes import Outboxes
from rdpp.tracking.outbox.records import Record
from rdpp.tracking.sink import StoreSink
from rdpp.tracking.store.mlflow_store import Store


@pytest.fixture
def store(store_uri):
    return Store(store_uri)


@pytest.fixture(autouse=True)
def _saved(monkeypatch):
    """A state is a folder with its batch in a file, and damaged without the other file."""

    def saved_state(folder):
        if not (folder / "batch").is_file():
            return None
        if not (folder / "tensors").is_file():
            raise ConfigError("damaged")
        return SimpleNamespace(batch=int((folder / "batch").read_text()))

    monkeypatch.setattr(states, "saved_state", saved_state)


@pytest.fixture
def state(tmp_path):
    def make(batch, name="made", whole=True):
        folder = tmp_path / name / str(batch)
        folder.mkdir(parents=True)
        (folder / "batch").write_text(str(batch))
        if whole:
            (folder / "tensors").touch()
        return folder

    return make


@pytest.fixture
def run(store, request):
    def start(node, **tags):
        own = {"level": "run", "key_training": request.node.name, **tags}
        return store.start_run(node, tags=own, node=f"{request.node.name} {node}")

    return start


def stored(store, run_id):
    return [file.path for file in store.client.list_artifacts(run_id, "state")]


def test_a_later_state_takes_the_place_of_an_earlier_one(store, run, state):
    run_id = run("a")
    for batch in (3, 12):
        store_state(store, run_id, state(batch), batch)
    assert stored(store, run_id) == ["state/000000012"]
    store_state(store, run_id, state(12, "again"), 12)
    assert stored(store, run_id) == ["state/000000012"]
    for _ in range(2):
        remove_states(store, run_id)
    assert stored(store, run_id) == []


def test_the_state_that_came_furthest_of_all_unfinished_runs_is_fetched(store, run, state, request, tmp_path):
    ended = run("ended")
    store_state(store, ended, state(9), 9)
    store.end_run(ended, "FINISHED", {})
    for node, batch in {"killed": 6, "running": 4}.items():
        run_id = run(node)
        store_state(store, run_id, state(batch), batch)
        if node == "killed":
            store.end_run(run_id, "KILLED", {})
    here = tmp_path / "work" / "state"
    assert fetch_newest(store, request.node.name, here) == f"{request.node.name} killed"
    assert (here / "batch").read_text() == "6"
    assert [path.name for path in here.parent.iterdir()] == ["state"]
    assert fetch_newest(store, request.node.name, here) is None  # what lies here came as far
    assert fetch_newest(store, "another run", tmp_path / "other" / "state") is None


def test_a_state_that_did_not_come_whole_is_passed_over(store, run, state, request, tmp_path):
    run_id = run("a")
    store_state(store, run_id, state(2), 2)
    store.client.log_artifacts(run_id, str(state(8, whole=False)), "state/000000008")
    here = tmp_path / "work" / "state"
    assert fetch_newest(store, request.node.name, here) == f"{request.node.name} a"
    assert (here / "batch").read_text() == "2"


def test_a_damaged_state_here_is_replaced(store, run, state, request, tmp_path):
    store_state(store, run("a"), state(2), 2)
    here = state(7, "work", whole=False)
    assert fetch_newest(store, request.node.name, here) == f"{request.node.name} a"
    assert (here / "batch").read_text() == "2"


def test_an_outbox_sends_the_last_state_after_all_that_was_put_before_it(tmp_path, state):
    box = Outboxes.of(WorkFolder(tmp_path / "work"), "http://127.0.0.1:5000").of_node("node", "training")
    box.put("series", {"points": []}, "2-epoch-0000001-series-1")
    box.put_state(state(3), 3, "2-epoch-0000001")
    box.drop_states()
    box.put_state(state(6), 6, "2-epoch-0000001")
    box.put("series", {"points": []}, "2-epoch-0000002-series-1")
    assert [box.read(path).kind for path in box.waiting()] == ["series", "state", "series"]
    record = box.read(box.waiting()[1])
    assert record.payload["batch"] == 6
    assert (record.folder / record.payload["path"] / "batch").read_text() == "6"
    assert len(list((box.folder / "states").iterdir())) == 1


class Elsewhere:
    """The sink of one of several machines."""

    def __init__(self, store, folder):
        self.work = WorkFolder(folder)
        self.sink = StoreSink(store, self.work, locks=WorkFolder(folder.parent / "all"))
        self.folder = folder

    def write(self, node, kind, **payload):
        record = Record(node=node, kind=kind, payload=payload, time=len(self.folder.parts), folder=self.folder)
        self.sink.write(record, None)

    def begin(self, node, training):
        tags = {"level": "run", "key_training": training}
        self.write(node, "open", name="bolt seed 1", parent=None, tags=tags)


@pytest.fixture
def machines(store, tmp_path, monkeypatch):
    """Two; the store is one that machines share, as those behind a server are."""
    monkeypatch.setattr("rdpp.tracking.sink.sqlite_file", lambda uri: None)
    return Elsewhere(store, tmp_path / "first"), Elsewhere(store, tmp_path / "a longer way" / "second")


def points(store, run, name="loss"):
    return sorted((point.step, point.value) for point in store.client.get_metric_history(run.info.run_id, name))


def test_a_run_that_goes_on_elsewhere_has_each_value_once_and_no_late_ones(store, machines, request):
    first, second = machines
    node = training = request.node.name
    first.begin(node, training)
    first.write(node, "series", points=[("loss", 1.0, 1), ("loss", 2.0, 2)])
    second.begin(node, training)
    second.write(node, "series", points=[("loss", 2.5, 2), ("loss", 3.0, 3)])
    assert points(store, store.run_of_node(node)) == [(1, 1.0), (2, 2.0), (3, 3.0)]
    back = Elsewhere(store, first.folder)  # the first machine comes back with what it had not sent
    back.write(node, "series", points=[("loss", 4.0, 4)])
    back.write(node, "close", status="KILLED", tags={})
    run = store.run_of_node(node)
    assert points(store, run) == [(1, 1.0), (2, 2.0), (3, 3.0)]
    assert (run.info.status, run.data.tags[WORK_FOLDER]) == ("RUNNING", second.work.id())


def test_a_run_that_begins_anew_marks_what_a_lost_machine_left(store, machines, request):
    first, second = machines
    training = request.node.name
    first.begin("left", training)
    first.begin("of another run", f"{training} 2")
    second.begin("new", training)
    runs = {run.data.tags[NODE]: run for run in store.search(f"tags.key_training LIKE '{training}%'")}
    assert {node: run.info.status for node, run in runs.items()} == {
        "left": "KILLED",
        "of another run": "RUNNING",
        "new": "RUNNING",
    }
    assert runs["left"].data.tags["state"] == "left"
