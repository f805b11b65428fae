"""Several machines, each with a work folder of its own, at the same training and the same study."""

import time

import pytest
from commands import Command

from rdpp.tracking.conventions.tags import WORK_FOLDER
from rdpp.tracking.store.mlflow_store import Store

pytestmark = pytest.mark.cluster


@pytest.fixture
def machine(tmp_path, environment, postgres, mlflow_server):
    """Starts a command on another machine: in a folder of its own."""
    started = []
    environment |= {"RDPP_STORAGE": postgres.url("optuna"), "MLFLOW_TRACKING_URI": mlflow_server.uri}

    def start(name, *words):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        command = Command([*map(str, words)], environment, folder, tmp_path / f"output of {len(started)}")
        started.append(command)
        return command

    yield start
    for command in started:
        command.kill()


@pytest.fixture
def training(tiny, request, tmp_path):
    """A file of an experiment with four epochs of two batches."""
    changes = {"name": request.node.name, "training.epochs": 4, "checkpoint_every": "1 batch", "heatmaps": 0}
    path = tmp_path / "experiment.yaml"
    path.write_text(tiny.with_overrides({**changes, "keep": "none"}).to_yaml())
    return path


def leaves(server, name):
    return Store(server.uri).search(f"tags.variant = '{name}' and tags.level = 'run'")


def until(true, seconds=60.0):
    end = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)
    return found


def ends_well(command):
    code, told = command.wait(120)
    assert code == 0, told
    return told


def losses(server, run):
    history = Store(server.uri).client.get_metric_history(run.info.run_id, "loss/total")
    return sorted((point.step, point.value) for point in history)


def has_epoch(server, name, epoch):
    found = leaves(server, name)
    return found and losses(server, found[0])[-1:] >= [(2 * epoch, 0.0)] and found[0]


def test_a_run_goes_on_from_the_state_of_a_machine_that_is_gone(machine, training, mlflow_server, request):
    name = request.node.name
    first = machine("first", "train", training, "--set", "state=tracking")
    begun = until(lambda: has_epoch(mlflow_server, name, 2))
    first.kill()
    told = ends_well(machine("second", "train", training, "--set", "state=tracking"))
    (run,) = leaves(mlflow_server, name)
    assert run.info.run_id == begun.info.run_id
    assert run.info.status == "FINISHED"
    assert run.data.tags[WORK_FOLDER] != begun.data.tags[WORK_FOLDER]
    assert [step for step, _ in losses(mlflow_server, run)] == list(range(1, 9))
    artifacts = {file.path for file in Store(mlflow_server.uri).client.list_artifacts(run.info.run_id)}
    assert "state" not in artifacts
    assert "starts anew" not in told
    ends_well(machine("first", "train", training, "--set", "state=tracking"))  # it comes back, with what it had left
    (again,) = leaves(mlflow_server, name)
    assert losses(mlflow_server, again) == losses(mlflow_server, run)


def test_without_states_another_machine_begins_anew_and_marks_what_was_left(machine, training, mlflow_server, request):
    name = request.node.name
    first = machine("first", "train", training, "--seeds", "2")  # no other test has this run
    begun = until(lambda: has_epoch(mlflow_server, name, 1))
    first.kill()
    ends_well(machine("second", "train", training, "--seeds", "2"))
    runs = leaves(mlflow_server, name)
    by_status = {run.info.status: run for run in runs}
    assert set(by_status) == {"FINISHED", "KILLED"}
    assert len(runs) == 2
    assert by_status["KILLED"].info.run_id == begun.info.run_id
    assert by_status["KILLED"].data.tags["state"] == "left"
    assert [step for step, _ in losses(mlflow_server, by_status["FINISHED"])] == list(range(1, 9))


def test_two_machines_share_a_training(machine, training, mlflow_server, request):
    """Four runs; what one of them has finished the other takes over."""
    words = ("train", training, "--seeds", "3,4,5,6", "--epochs", "1")
    both = [machine(name, *words) for name in ("first", "second")]
    for command in both:
        ends_well(command)
    runs = leaves(mlflow_server, request.node.name)
    assert sorted(run.data.tags["seed"] for run in runs) == ["3", "4", "5", "6"]
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert len({run.data.tags[WORK_FOLDER] for run in runs}) == 2


def test_two_machines_share_a_study(machine, sweep_file, sweep, mlflow_server):
    both = [machine(name, "sweep", sweep_file, "--trials", "4", "--seeds", "7") for name in ("first", "second")]
    for command in both:
        ends_well(command)
    runs = leaves(mlflow_server, sweep.name)
    assert sorted(run.data.tags["trial"] for run in runs) == ["0", "1", "2", "3"]
    assert {run.info.status for run in runs} == {"FINISHED"}
