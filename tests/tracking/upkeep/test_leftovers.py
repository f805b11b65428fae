"""`rdpp runs`: what is left over is found, what somebody works at is left alone, and looking changes nothing."""

import json
import sys

import pytest

from rdpp.cli import main
from rdpp.engine import code_digest
from rdpp.engine.state import _digest
from rdpp.runs import run_lock
from rdpp.tracking.conventions.location import work_folder
from rdpp.tracking.conventions.tags import WORK_FOLDER
from rdpp.tracking.outbox.outboxes import RESULT, Home, Outboxes
from rdpp.tracking.store.mlflow_store import Store
from rdpp.tracking.upkeep.leftovers import survey


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Of this module alone: `clean` takes all that nobody works at."""
    return Store(f"sqlite:///{tmp_path_factory.mktemp('left') / 'mlflow.db'}")


@pytest.fixture
def work(store):
    """As any command leaves it."""
    folder = work_folder(store.uri)
    with folder.in_use():
        return folder


@pytest.fixture
def opened(store):
    """Runs that are RUNNING; they end with the test."""
    made = []

    def start(level, node, parent=None, **tags):
        run_id = store.start_run(node, parent=parent, node=node, tags={"level": level, **tags})
        made.append(run_id)
        return run_id

    yield start
    for run_id in made:
        store.client.delete_run(run_id)


def write_state(folder, batch=7, code=None):
    """A state, as far as it is looked at before it is read."""
    (folder / "state").mkdir(parents=True)
    origin = {"format": 2, "key": folder.name, "code": code or code_digest(), "machine": "m"}
    data = {**origin, "state": {"batch": batch}, "files": {}}
    (folder / "state" / "state.json").write_text(json.dumps({**data, "sha256": _digest(data)}))


def status(store, run_id):
    return store.client.get_run(run_id).info.status


def statuses(store):
    return {run.name: run.status for run in survey(store.uri).runs}


def clean(store, *flags):
    return main(["runs", "clean", "--yes", "--tracking-uri", store.uri, *flags])


def files(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_a_run_is_in_work_while_its_lock_is_held_and_so_is_all_above_it(store, work, opened):
    study = opened("study", "s")
    trial = opened("trial", "t", study)
    opened("run", "r", trial, key_training="k1")
    opened("run", "idle", trial, key_training="k2")
    opened("ablation", "a")
    assert set(statuses(store).values()) == {"dead"}
    with work.lock(run_lock("k1")):
        assert statuses(store) == dict.fromkeys("rts", "in work") | {"idle": "dead", "a": "dead"}


def test_a_trial_is_in_work_while_a_process_is_present_at_its_study(store, work, opened):
    study = opened("study", "s")
    trial = opened("trial", "t", study)
    opened("run", "young", trial)  # its key is not known yet
    opened("run", "left", trial, key_training="k3")
    with work.present("node-s"):
        assert statuses(store) == {"s": "in work", "t": "in work", "young": "in work", "left": "dead"}
        assert clean(store) == 0
        assert status(store, trial) == "RUNNING"
    assert clean(store) == 0
    assert status(store, trial) == status(store, study) == "KILLED"


def test_a_run_that_waits_to_be_sent_stays_killed_once_it_is_sent(store, work, opened):
    """Its record `open` would let it be RUNNING again."""
    run_id = opened("run", "w", key_training="k4")
    box = Outboxes.of(work, store.uri).of_node("w", "k4")
    box.open("w", None, {"level": "run", "key_training": "k4"})
    write_state(work.of("k4"))
    assert clean(store) == 0
    assert (status(store, run_id), box.waiting()) == ("KILLED", [])
    assert (work.of("k4") / "state").is_dir()
    assert clean(store, "--states") == 0
    assert not work.of("k4").exists()
    assert not box.folder.exists()


def test_a_run_that_had_finished_when_its_process_died_is_finished(store, work, opened):
    run_id = opened("run", "f", key_training="k5")
    box = Outboxes.of(work, store.uri).of_node("f", "k5")
    box.open("f", None, {"level": "run"})
    (box.folder / RESULT).write_text("{}")
    assert clean(store) == 0
    assert status(store, run_id) == "FINISHED"


@pytest.mark.parametrize("same_node", [True, False])
def test_only_states_of_finished_runs_are_removed(store, work, opened, same_node):
    keys = [f"{name}-{same_node}" for name in ("done", "half")]
    for key in keys:
        write_state(work.of(key))
        run_id = opened("run", key, key_training=key)
        if same_node:
            (work.of(key) / "node").write_text(key)
        if key == keys[0]:
            store.end_run(run_id, "FINISHED", {}, ended=1 if same_node else None)
    with work.lock(run_lock(keys[0])):
        assert clean(store) == 0
        assert work.of(keys[0]).exists()
    assert [(run.finished, run.in_work) for run in survey(store.uri).interrupted] == [(True, False), (False, False)]
    assert clean(store) == 0
    assert [work.of(key).exists() for key in keys] == [False, True]
    clean(store, "--states")


def test_a_run_that_is_trained_anew_on_purpose_keeps_its_state(store, work, opened):
    store.end_run(opened("run", "earlier", key_training="anew"), "FINISHED", {}, ended=1)
    write_state(work.of("anew"))
    Home(work.of("anew")).new_node()
    assert [run.finished for run in survey(store.uri).interrupted] == [False]
    clean(store, "--states")


def test_scratch_of_dead_processes_goes_and_what_stands_in_for_a_state_stays(store, work):
    write_state(work.of("k6"))
    (work.of("k6") / "state").rename(work.of("k6") / ".state.before")  # killed between two renamings
    (work.of("k6") / ".state-x1").mkdir()
    dead = f"scratch-{'0' * 32}"
    for name in ("command-dead", "command-alive", f"scratch/{dead}"):
        work.of(name).mkdir(parents=True)
    with work.lock("command-alive"):
        found = survey(store.uri)
        assert [(run.batch, run.code_changed) for run in found.interrupted] == [(7, False)]
        scratch = {one.path.name: one.in_work for one in found.scratch}
        assert scratch == {"command-alive": True, "command-dead": False, ".state-x1": False, dead: False}
        assert clean(store) == 0
        assert work.of("command-alive").exists()
    assert not work.of("command-dead").exists()
    assert not work.of(f"scratch/{dead}").exists()
    assert [path.name for path in work.of("k6").iterdir()] == [".state.before"]
    assert clean(store, "--states") == 0
    assert survey(store.uri).scratch == ()


def test_list_tells_all_and_changes_nothing(store, work, opened, capsys):
    run_id = opened("run", "listed", key_training="k7")
    store.client.log_text(run_id, "12345", "checkpoint/a.txt")
    store.client.log_text(run_id, "123", "b.txt")
    write_state(work.of("k7"), batch=12, code="old")
    Outboxes.of(work, store.uri).of_node("n7").put("tags", {"tags": {}})
    before = files(work.root.parent)
    assert main(["runs", "list", "--tracking-uri", store.uri]) == 0
    text = capsys.readouterr().out
    for part in ("listed", "dead", run_id, "12", "the code has changed", "n7", "checkpoints 0.0 MB"):
        assert part in text
    assert main(["runs", "list", "--json", "--tracking-uri", store.uri]) == 0
    data = json.loads(capsys.readouterr().out)
    assert (data["artifacts"]["checkpoints"], data["artifacts"]["others"]) == (5, 3)
    assert [(run["batch"], run["code_changed"]) for run in data["interrupted"]] == [(12, True)]
    assert [(box["records"], box["in_work"]) for box in data["outboxes"]] == [(1, False)]
    assert files(work.root.parent) == before


def test_list_makes_no_store(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert main(["runs", "list"]) == 2
    assert "no runs here" in capsys.readouterr().err
    for name in ("locks", "command-dead"):  # killed before it could make the store
        (tmp_path / "runs" / "work" / name).mkdir(parents=True)
    assert main(["runs", "list"]) == 0
    assert "left over" in capsys.readouterr().out
    assert not (tmp_path / "runs" / "mlflow.db").exists()


def test_clean_asks(store, work, monkeypatch, capsys):
    work.of("command-asked").mkdir(parents=True)
    arguments = ["runs", "clean", "--tracking-uri", store.uri]
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    assert main(arguments) == 2
    assert "give --yes" in capsys.readouterr().err
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    for answer, there in (("\n", True), ("n\n", True), ("y\n", False)):
        monkeypatch.setattr(sys.stdin, "readline", lambda answer=answer: answer, raising=False)
        assert main(arguments) == 0
        assert work.of("command-asked").exists() == there
    assert main(arguments) == 0
    assert "nothing is left over" in capsys.readouterr().err


def test_runs_of_another_machine_are_left_alone(store, work, opened, monkeypatch):
    """A server's runs are worked at in several work folders, and nothing is known here of the others."""
    monkeypatch.setattr("rdpp.tracking.upkeep.leftovers.sqlite_file", lambda uri: None)
    theirs = opened("study", "theirs", **{WORK_FOLDER: "another"})
    opened("study", "ours", **{WORK_FOLDER: work.id()})
    opened("study", "of an earlier version")
    assert statuses(store) == {"theirs": "elsewhere", "ours": "dead", "of an earlier version": "elsewhere"}
    assert clean(store) == 0
    assert status(store, theirs) == "RUNNING"


def test_a_folder_with_other_things_is_no_work_folder(store, tmp_path, monkeypatch, capsys):
    """A command would remove from it what it no longer needs."""
    home = tmp_path / "home"
    for name in ("scratch", "photos", ".ssh"):
        (home / name).mkdir(parents=True)
    monkeypatch.setenv("RDPP_WORK_FOLDER", str(home))
    for command in (["list"], ["clean", "--states", "--yes"]):
        assert main(["runs", *command, "--tracking-uri", store.uri]) == 2
        said = capsys.readouterr().err
        assert f"{home} holds other things: .ssh, photos; name an empty or a new folder" in said
    assert len(list(home.iterdir())) == 3
    monkeypatch.setenv("RDPP_WORK_FOLDER", str(tmp_path / "new"))
    with work_folder(store.uri).in_use():
        pass
    (tmp_path / "new" / "command-dead").mkdir()
    assert clean(store) == 0
    assert not (tmp_path / "new" / "command-dead").exists()
