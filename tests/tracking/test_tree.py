"""The tree in a real store: one MLflow run a node, nothing twice, and finished runs that are not delivered yet."""

import dataclasses
import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from tracked import PLAIN

from rdpp.cli import main
from rdpp.config import ConfigError
from rdpp.engine import BatchFinished, EpochFinished, RunFinished, RunSpec, train
from rdpp.runs import HoldLost, Node, run_lock
from rdpp.tracking.artifacts.gallery import read_gallery
from rdpp.tracking.conventions.artifacts import GALLERY
from rdpp.tracking.conventions.location import work_folder
from rdpp.tracking.outbox import delivery
from rdpp.tracking.outbox.outboxes import Outboxes
from rdpp.tracking.outbox.records import Record
from rdpp.tracking.outbox.result import find_here
from rdpp.tracking.sink import StoreSink
from rdpp.tracking.store.mlflow_store import Store
from rdpp.tracking.tree import MlflowTree


@pytest.fixture(scope="module")
def store(store_uri):
    return Store(store_uri)


@pytest.fixture(scope="module")
def spec(held_out):
    """A run that keeps all there is."""
    changes = {"name": "lasting", "training.epochs": 3, "heatmaps": 1, "keep": "chosen", "keep_maps": True}
    return RunSpec.of(held_out.with_overrides({**PLAIN, **changes}), "bolt", 7)


@pytest.fixture(scope="module")
def events(spec):
    """Of a training; the network in them is the one at the end."""
    seen = []
    train(spec, observers=[seen.append])
    return seen


@pytest.fixture
def parent(store, request):
    """A parent of the test's own, with the tree that it is in."""
    with MlflowTree(store=store) as tree:
        return tree.open("all", level="training", key=request.node.name, parent=None, tags={"variant": "lasting"})


@pytest.fixture
def away(monkeypatch, store):
    """Lets the store be away."""

    def switch(*, on):
        def refuse(*arguments, **named):
            raise ConnectionError("connection refused")

        for name in ("start_run", "search", "log_series", "end_run", "set_tags", "log_params"):
            if on:
                monkeypatch.setattr(store, name, refuse)
            else:
                monkeypatch.undo()

    return switch


def record(tree, spec, parent, events):
    """A recorder that has seen events."""
    recorder = tree.record(spec, parent, {"variant": "lasting"})
    for event in events:
        recorder(event)
    return recorder


def outboxes(store):
    return Outboxes.of(work_folder(store.uri), store.uri)


def leaves(store, parent):
    run = store.run_of_node(parent.id)
    return store.search(f"tags.`mlflow.parentRunId` = '{run.info.run_id}'")


def steps(store, run, name):
    return [metric.step for metric in store.client.get_metric_history(run.info.run_id, name)]


def open_and_close(uri, key):
    with MlflowTree(uri) as tree:
        node = tree.open("one", level="study", key=key, parent=None, tags={"study": "s"})
        tree.log_metrics(node, {"steps": 1.0})
        tree.close(node)


def test_a_node_that_many_open_at_once_is_one_run(store):
    """Each with a tree and locks of its own, as processes have them."""
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: open_and_close(store.uri, "at once"), range(4)))
    (run,) = store.search("tags.level = 'study' and tags.key = 'at once'")
    assert run.info.status == "FINISHED"
    assert outboxes(store).find(run.data.tags["node"]) is None


def test_a_parent_that_ended_badly_begins_again_and_ends_well(store):
    with MlflowTree(store=store) as tree:
        node = tree.open("one", level="study", key="again", parent=None, tags={"study": "s"})
        tree.close(node, ValueError("the power failed"))
        first = tree.run_id(node)
        assert store.client.get_run(first).data.tags["error"] == "ValueError: the power failed"
        assert tree.open("two", level="study", key="again", parent=None, tags={"study": "t"}) == node
        assert tree.run_id(node) == first
        run = store.client.get_run(first)
        assert (run.info.status, run.info.run_name, run.data.tags["study"]) == ("RUNNING", "two", "t")
        assert "error" not in run.data.tags
        tree.close(node)
    assert store.client.get_run(first).info.status == "FINISHED"


def test_nodes_differ_by_level_key_and_parent(store):
    with MlflowTree(store=store) as tree:

        def node(level, key, parent):
            return tree.open("n", level=level, key=key, parent=parent, tags={level: "n"})

        one = node("study", "a", None)
        assert len({one, node("study", "b", None), node("ablation", "a", None), node("study", "a", one)}) == 4


def shown(store, run):
    """What the gallery of a run shows."""
    return read_gallery(Path(store.client.download_artifacts(run.info.run_id, GALLERY)).read_text())


def test_everything_that_is_sent_twice_is_there_once(store, tmp_path):
    sink = StoreSink(store, work_folder(store.uri))
    pixels = np.zeros((8, 8, 3), np.uint8)
    picture = {
        "key": "miss/1",
        "step": 0,
        "pixels": pixels,
        "mask": pixels[..., 0] > 0,
        "title": "t",
        "epoch": 1,
        "anomaly_map": np.zeros((8, 8), np.float32),
        "defective": True,
        "score": 0.1,
        "scale": [0.0, 1.0, 0.5],
    }
    (tmp_path / "checkpoint").mkdir()
    (tmp_path / "checkpoint" / "a.json").write_text("{}")
    payloads = [
        ("open", {"name": "twice", "parent": None, "tags": {"level": "twice"}}),
        ("series", {"points": [["loss", float(step), step] for step in range(20)]}),
        ("series", {"points": [["loss", 20.0, 20]]}),
        ("params", {"params": {"a": "1"}}),
        ("table", {"path": "scores.json", "columns": {"image": ["a", "b"], "score": [0.25, 0.5]}}),
        ("json", {"path": "a.json", "data": [1]}),
        ("dataset", {"name": "bolt", "digest": "d", "folder": "/data", "profile": {"train": 3}}),
        ("pictures", {"pictures": [picture, {**picture, "step": 1, "epoch": 2}]}),
        ("folder", {"path": "checkpoint"}),
        ("take_over", {"run_id": None, "taken": "twice", "tags": {}, "group": "1"}),
        ("close", {"status": "FINISHED", "tags": {}}),
    ]
    for number, (kind, payload) in enumerate(payloads):
        for _ in range(2):
            sink.write(Record(node="twice", kind=kind, payload=payload, time=1000 + number, folder=tmp_path), None)
    (run,) = store.search("tags.level = 'twice'")
    assert steps(store, run, "loss") == list(range(21))
    assert len(run.inputs.dataset_inputs) == 1
    assert store.read_json(run.info.run_id, "scores.json") == {
        "columns": ["image", "score"],
        "data": [["a", 0.25], ["b", 0.5]],
    }
    assert run.data.tags["mlflow.loggedArtifacts"] == '[{"path": "scores.json", "type": "table"}]'
    images = [file.path for file in store.client.list_artifacts(run.info.run_id, "images/miss")]
    assert images == ["images/miss/1_epoch_0001.jpg", "images/miss/1_epoch_0002.jpg"]
    assert len(shown(store, run)["pictures"][0]["frames"]) == 2
    assert run.data.tags[f"taken_by/{run.info.run_id}"] == '["1"]'
    assert (run.info.start_time, run.info.end_time) == (1000, 1000 + len(payloads) - 1)


def test_a_run_that_goes_on_from_a_state_logs_nothing_twice(store, spec, events, parent, tmp_path):
    """The process that died had sent two epochs; the state is of the middle of the second."""
    whole = [i for i, event in enumerate(events) if isinstance(event, EpochFinished)]
    middle = next(i for i, e in enumerate(events) if i > whole[0] and isinstance(e, BatchFinished)) + 1
    (tmp_path / "state").mkdir()
    with MlflowTree(store=store) as tree:
        recorder = record(tree, spec, parent, events[:middle])
        recorder.save(tmp_path / "state")
        for event in events[middle : whole[1] + 1]:
            recorder(event)
    with MlflowTree(store=store) as tree:
        recorder = record(tree, spec, parent, events[:1])
        recorder.load(tmp_path / "state")
        for event in events[middle:]:
            recorder(event)
        assert [epoch for epoch, _ in tree.evaluations(tree.find(spec))] == [1, 2, 3]
        recorder.close(None)
    (run,) = leaves(store, parent)
    batches = [event.batch for event in events if isinstance(event, BatchFinished)]
    assert steps(store, run, "loss/total") == batches
    assert steps(store, run, "held_out/image_auroc") == [1, 2, 3]
    assert run.info.status == "FINISHED"
    assert "checkpoint/chosen.json" in {a.path for a in store.client.list_artifacts(run.info.run_id, "checkpoint")}
    watched = [picture for picture in shown(store, run)["pictures"] if picture["held_out"]]
    assert [[frame["epoch"] for frame in picture["frames"]] for picture in watched] == [[1, 2, 3]] * 3


def test_a_run_that_begins_anew_after_a_death_is_one_run_and_logs_nothing_twice(store, spec, events, parent):
    cut = next(i for i, event in enumerate(events) if isinstance(event, EpochFinished)) + 1
    with MlflowTree(store=store) as tree:
        record(tree, spec, parent, events[:cut])
    with MlflowTree(store=store) as tree:
        record(tree, spec, parent, events).close(None)
    (run,) = leaves(store, parent)
    assert steps(store, run, "held_out/image_auroc") == [1, 2, 3]
    assert not work_folder(store.uri).of(spec.identity.training).exists()
    with MlflowTree(store=store) as tree:  # trained again on purpose, it is another run
        record(tree, spec, parent, events).close(None)
    assert len(leaves(store, parent)) == 2


def test_a_run_that_was_lost_to_another_machine_says_nothing_more(store, spec, events, parent, monkeypatch):
    """Neither that it failed, nor that it finished, nor what still waits."""
    with MlflowTree(store=store) as tree:
        recorder = record(tree, spec, parent, events[:2])
        tree.finish()
        monkeypatch.setattr(delivery.Delivery, "notice", lambda self, outbox: None)  # nothing more is sent
        for event in events[2:]:
            recorder(event)
        recorder.close(HoldLost("run-a"))
        assert outboxes(store).of_training(spec.identity.training) == []
        assert not tree.work.of(spec.identity.training).exists()
    (run,) = leaves(store, parent)
    assert run.info.status == "RUNNING"


def test_a_finished_run_is_found_before_it_is_delivered_and_after(store, spec, events, parent, tmp_path, monkeypatch):
    monkeypatch.setattr(delivery.Delivery, "start", lambda self: None)  # nothing is sent
    tree = MlflowTree(store=store)
    record(tree, spec, parent, events).close(None)
    other = MlflowTree(store=store)
    found = other.find(spec)
    assert (found.run_id, found.same_test_files) == (None, True)
    result = next(event.result for event in events if isinstance(event, RunFinished))
    np.testing.assert_equal(dict(found.metrics), dict(result.evaluation.metrics))
    with other.checkpoint(found) as folder:
        assert (folder / "chosen.safetensors").is_file()
    other.take_over(found, Node("b" * 16), {"variant": "other"})
    other.open("other", level="variant", key="taker", parent=None, tags={})
    evaluations = other.evaluations(found)
    assert other.find(spec, since=4e9) is None
    monkeypatch.undo()

    with MlflowTree(store=store) as last:
        taker = last.open("other", level="variant", key="taker", parent=None, tags={})
        last.take_over(found, taker, {"variant": "other"})
        last.finish()
        (run,) = leaves(store, parent)
        assert f"taken_by/{last.run_id(taker)}" in run.data.tags
    stored = last.find(spec)
    assert (stored.run_id, stored.node) == (run.info.run_id, found.node)
    expected = dataclasses.replace(found, run_id=stored.run_id)
    np.testing.assert_equal(dataclasses.asdict(stored), dataclasses.asdict(expected))
    for (epoch, before), (same, after) in zip(evaluations, last.evaluations(found), strict=True):
        assert epoch == same
        np.testing.assert_equal(dict(before), dict(after))
    with last.checkpoint(found) as folder:  # by now from MLflow
        assert (folder / "chosen.safetensors").is_file()
    assert last.find(spec, since=run.info.end_time / 1000 + 1) is None
    assert last.find(spec, since=run.info.end_time / 1000 - 1) is not None


def test_undefined_metrics_survive(store, spec, events, parent, monkeypatch):
    monkeypatch.setattr(delivery.Delivery, "start", lambda self: None)
    result = next(event.result for event in events if isinstance(event, RunFinished))
    undefined = dataclasses.replace(result.evaluation, metrics={**result.evaluation.metrics, "pixel_aupimo": math.nan})
    last = RunFinished(result=dataclasses.replace(result, evaluation=undefined))
    tree = MlflowTree(store=store)
    recorder = record(tree, spec, parent, [*events[:-1], last])
    assert math.isnan(tree.find(spec).metrics["pixel_aupimo"])
    recorder.close(ValueError("another observer failed"))
    assert find_here(outboxes(store), spec, 0.0) is None
    monkeypatch.undo()
    with MlflowTree(store=store):
        pass
    (run,) = leaves(store, parent)
    assert run.info.status == "FAILED"


def test_a_run_that_the_user_stopped_goes_on_as_the_same_run(store, spec, events, parent):
    with MlflowTree(store=store) as tree:
        record(tree, spec, parent, events[:3]).close(KeyboardInterrupt())
        tree.finish()
        (run,) = leaves(store, parent)
        assert run.info.status == "KILLED"
        record(tree, spec, parent, events).close(None)
    (run,) = leaves(store, parent)
    assert run.info.status == "FINISHED"


def test_a_run_whose_process_died_as_it_ended_is_another_run_when_it_is_tried_again(
    store, spec, events, parent, monkeypatch
):
    monkeypatch.setattr(delivery.Delivery, "start", lambda self: None)  # a thread of a dead process sends nothing
    recorder = record(MlflowTree(store=store), spec, parent, events[:2])
    recorder._outbox.close("FAILED", {"error": "out of memory"})
    monkeypatch.undo()
    with MlflowTree(store=store) as tree:
        record(tree, spec, parent, events).close(None)
    assert sorted(run.info.status for run in leaves(store, parent)) == ["FAILED", "FINISHED"]


def test_sync_leaves_a_run_alone_that_is_trained(store, spec, events, parent, monkeypatch, capsys):
    monkeypatch.setattr(delivery.Delivery, "start", lambda self: None)  # so that something waits
    tree = MlflowTree(store=store)
    with tree.work.lock(run_lock(spec.identity.training)):
        record(tree, spec, parent, events[:2])
        assert main(["sync", "--tracking-uri", store.uri]) == 0
    monkeypatch.undo()
    assert "sent 0 records of 0 runs; 1 more are sent by the process" in capsys.readouterr().out
    with MlflowTree(store=store) as tree:
        record(tree, spec, parent, events).close(None)


def test_only_a_command_that_begins_needs_the_store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(ConfigError, match="cannot be used"), MlflowTree("http://127.0.0.1:9"):
        pass
    told = []
    with MlflowTree("http://127.0.0.1:9", must_be_there=False, tell=told.append, patience=0.1) as tree:
        tree.open("n", level="study", key="k", parent=None, tags={"study": "n"})
    assert "1 record waits in" in told[-1]


def test_sync_sends_what_waits_and_says_how_much(store, spec, events, parent, monkeypatch, capsys):
    monkeypatch.setattr(delivery.Delivery, "start", lambda self: None)
    record(MlflowTree(store=store), spec, parent, events).close(None)
    monkeypatch.undo()
    assert main(["sync", "--tracking-uri", store.uri]) == 0
    assert "sent 17 records of 1 runs" in capsys.readouterr().out
    (run,) = leaves(store, parent)
    assert run.info.status == "FINISHED"
    assert main(["sync", "--tracking-uri", store.uri]) == 0
    assert "nothing waits in" in capsys.readouterr().out


def test_sync_tells_that_the_store_is_away_in_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    uri = "http://127.0.0.1:9"
    Outboxes.of(work_folder(uri), uri).of_node("n").open("n", None, {})
    assert main(["sync", "--tracking-uri", uri]) == 2
    assert "the MLflow store http://127.0.0.1:9 cannot be used" in capsys.readouterr().err


def test_training_goes_on_where_the_store_is_away(store, spec, events, parent, away, monkeypatch):
    monkeypatch.setattr(delivery, "_FIRST_PAUSE", 0.02)
    told = []
    with MlflowTree(store=store, tell=told.append, patience=0.1) as tree:
        away(on=True)
        record(tree, spec, parent, events).close(None)
        tree.finish()
        assert tree.find(spec).run_id is None
    assert "is away (connection refused); records wait in" in told[0]
    assert "send with: rdpp sync" in told[-1]
    away(on=False)
    with MlflowTree(store=store):
        pass
    (run,) = leaves(store, parent)
    assert run.info.status == "FINISHED"
