"""Faults that are put in while a command works: nothing is lost, and one line says what to do."""

import dataclasses
import errno
import json
import os
import shutil
import signal
import tempfile
import threading
from pathlib import Path

import numpy as np
import pytest
from tracked import PLAIN, WEIGHT, tracked_study, tracked_training

from rdpp.cli import main
from rdpp.config import ConfigError
from rdpp.engine import BatchFinished, EpochFinished
from rdpp.runs import RunFailed, WorkFolder
from rdpp.stopping import Stop, Stopped
from rdpp.sweep import SweepConfig
from rdpp.sweep.config import SamplerConfig
from rdpp.sweep.space import FloatRange
from rdpp.tracking.store.mlflow_store import Store


@pytest.fixture
def experiment(tiny, tmp_path, request):
    """Two categories, on a copy of the data; what other tests trained is not found."""
    shutil.copytree(tiny.data.root, tmp_path / "data")
    changes = {"data.root": str(tmp_path / "data"), "data.categories": ["bolt", "weave"], "name": request.node.name}
    return tiny.with_overrides({**PLAIN, "keep": "none", **changes})


@pytest.fixture
def storage(new_storage, tmp_path):
    return new_storage(tmp_path / "optuna.db")


@pytest.fixture
def sweep(experiment, request):
    space = {WEIGHT: FloatRange(0.1, 1.0)}
    return SweepConfig(request.node.name, experiment, space, 2, sampler=SamplerConfig("random"), pruner="none")


def break_an_image(experiment, category="bolt"):
    broken = min((Path(experiment.data.root) / category / "train" / "good").iterdir())
    broken.write_bytes(b"no image")
    return broken


def written(tmp_path, experiment):
    (tmp_path / "e.yaml").write_text(experiment.to_yaml())
    return str(tmp_path / "e.yaml")


def leaves(store, name):
    return store.search(f"tags.level = 'run' and tags.variant = '{name}'")


def test_one_bad_category_does_not_end_a_training(experiment, store_uri, tmp_path, capsys):
    broken = break_an_image(experiment)
    command = ["train", written(tmp_path, experiment), "--tracking-uri", store_uri, "--json", "--again"]
    code = main(command)
    told = capsys.readouterr()
    good, failed = sorted(json.loads(told.out), key=lambda row: row["category"], reverse=True)
    assert code == 1
    assert (good["category"], failed["category"], failed["metrics"]) == ("weave", "bolt", None)
    assert failed["failure"].startswith(f"cannot decode the image {broken}")
    assert good["metrics"]["image_auroc"] is not None
    (line,) = [line for line in told.err.splitlines() if str(broken) in line]
    assert line.startswith(f"bolt: cannot be used, the others go on: cannot decode the image {broken}")
    assert main([*command, "--categories", "bolt"]) == 2  # nothing is left to train
    assert capsys.readouterr().err.startswith(f"rdpp: cannot decode the image {broken}")


def test_a_study_is_refused_before_training_if_a_category_cannot_be_used(sweep, store_uri, storage):
    broken = break_an_image(sweep.experiment)
    with pytest.raises(ConfigError, match=f"cannot decode the image {broken}"):
        tracked_study(sweep, storage, Store(store_uri))


def test_a_run_that_fails_fails_its_trial_and_the_study_goes_on(sweep, store_uri, storage):
    def fail(event):
        if isinstance(event, BatchFinished) and fail.count < 2:  # it is tried once more
            fail.count += 1
            raise RuntimeError("CUDA error: an illegal memory access was encountered")

    fail.count = 0
    told = []
    points, run_id = tracked_study(sweep, storage, Store(store_uri), [fail, lambda e: told.append(e)])
    assert [trial.state.name for trial in points.all()] == ["FAIL", "COMPLETE"]
    assert "illegal memory access" in points.get(0).user_attrs["failure"]
    assert sum(isinstance(event, RunFailed) for event in told) == 2
    store = Store(store_uri)
    trials = store.search(f"tags.`mlflow.parentRunId` = '{run_id}'")
    assert sorted(trial.data.tags["state"] for trial in trials) == ["complete", "failed"]


def test_a_trial_may_go_on_without_its_failed_runs(sweep, store_uri, storage):
    break_an_image(sweep.experiment)
    sweep = dataclasses.replace(sweep, allow_failed_runs=True, trials=1)
    points, _ = tracked_study(sweep, storage, Store(store_uri))
    (trial,) = points.all()
    assert trial.state.name == "COMPLETE"
    assert trial.value == pytest.approx(
        trial.user_attrs["run/1/weave"]["metrics"]["image_auroc"] / 2
        + trial.user_attrs["run/1/weave"]["metrics"]["pixel_aupro"] / 2
    )
    assert trial.user_attrs["failed/1/bolt"]["kind"] == "input"


def test_two_commands_at_once_work_at_one_study(sweep, store_uri, storage):
    trained, failures = [], []

    def note(event):
        if isinstance(event, BatchFinished) and event.batch == 1:
            trained.append(threading.get_ident())

    def go():
        try:
            tracked_study(sweep, storage, Store(store_uri), [note])
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=go) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not failures
    points, run_id = tracked_study(sweep, storage, Store(store_uri), [note])
    assert [trial.state.name for trial in points.all()] == ["COMPLETE"] * 2
    assert len(trained) == 4
    store = Store(store_uri)
    found = store.search(f"tags.root = '{run_id}' and tags.level = 'run'")
    assert [run.info.status for run in found] == ["FINISHED"] * 4
    assert store.client.get_run(run_id).info.status == "FINISHED"


def test_a_run_that_is_stopped_goes_on_as_the_same_mlflow_run(experiment, store_uri):
    store, stop = Store(store_uri), Stop(lambda line: None)
    experiment = experiment.with_overrides({"data.categories": ["bolt"], "training.epochs": 2})
    (whole,) = tracked_training(store, experiment)

    def ask(event):
        if isinstance(event, BatchFinished) and event.batch == 3:
            stop.request(signal.SIGTERM)

    renamed = experiment.with_overrides({"name": f"{experiment.name} stopped"})
    with pytest.raises(Stopped):
        tracked_training(store, renamed, [ask], stop=stop)
    (run,) = leaves(store, renamed.name)
    assert run.info.status == "KILLED"
    (parent,) = store.search(f"tags.level = 'training' and tags.variant = '{renamed.name}'")
    assert parent.info.status == "KILLED"
    batches = []
    (went_on,) = tracked_training(
        store, renamed, [lambda e: batches.append(e.batch) if isinstance(e, BatchFinished) else None]
    )
    assert batches == [4]
    np.testing.assert_equal(dict(went_on.metrics), dict(whole.metrics))
    (same,) = leaves(store, renamed.name)
    assert (same.info.run_id, same.info.status) == (run.info.run_id, "FINISHED")
    history = store.client.get_metric_history(same.info.run_id, "loss/total")
    assert sorted(point.step for point in history) == [1, 2, 3, 4]


def test_a_full_disk_ends_a_run_that_goes_on_later(experiment, store_uri):
    store = Store(store_uri)
    experiment = experiment.with_overrides({"data.categories": ["bolt"], "checkpoint_every": "1 batch"})

    def full(event):
        if isinstance(event, EpochFinished):
            raise OSError(errno.ENOSPC, "No space left on device", "runs/work")

    with pytest.raises(OSError, match="No space left"):
        tracked_training(store, experiment, [full])
    batches = []
    tracked_training(store, experiment, [lambda e: batches.append(e) if isinstance(e, BatchFinished) else None])
    assert batches == []
    (run,) = leaves(store, experiment.name)
    assert (run.info.status, "error" in run.data.tags) == ("FINISHED", False)


def test_sigterm_marks_runs_as_killed_and_leaves_no_scratch(experiment, new_store, tmp_path, monkeypatch, capsys):
    """It comes when records have been sent."""
    experiment = experiment.with_overrides({"training.epochs": None, "training.steps": 400})
    store_uri, work = new_store(tmp_path / "runs" / "mlflow.db"), WorkFolder(tmp_path / "runs" / "work")
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    over = threading.Event()

    def send():
        while not list(work.root.glob("outbox/*/*/sent")):
            if over.wait(0.05):
                return
        os.kill(os.getpid(), signal.SIGTERM)

    def unexpected(number, frame):
        raise AssertionError("nobody listens to SIGTERM")

    before = signal.signal(signal.SIGTERM, unexpected)
    sender = threading.Thread(target=send)
    sender.start()
    try:
        code = main(["train", written(tmp_path, experiment), "--tracking-uri", store_uri])
    finally:
        over.set()
        sender.join()
        signal.signal(signal.SIGTERM, before)
    assert code == 143
    assert capsys.readouterr().err.endswith("rdpp: stopped; run the same command again to go on\n")
    assert {run.info.status for run in Store(store_uri).search("")} == {"KILLED"}
    assert list((tmp_path / "tmp").iterdir()) == []
    assert [path.name for path in (work.root / "locks").iterdir()] == ["all.lock"]
    assert len(list(work.root.glob("*/state/state.json"))) == 1
