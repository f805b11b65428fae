"""Checkpoints and pictures that a study does not keep: gone whatever is sent first, and never another tree's."""

import uuid

import pytest

from rdpp.tracking.conventions.artifacts import GALLERY
from rdpp.tracking.outbox import delivery
from rdpp.tracking.sink import StoreSink
from rdpp.tracking.store.mlflow_store import Store
from rdpp.tracking.tree import MlflowTree


@pytest.fixture(scope="module")
def store(store_uri):
    return Store(store_uri)


@pytest.fixture
def tree(store):
    with MlflowTree(store=store) as tree:
        yield tree


def opened(tree, level, parent=None):
    return tree.open(level, level=level, key=uuid.uuid4().hex, parent=parent, tags={})


def run_below(tree, parent, *, send=True):
    """A finished run with a checkpoint, a picture and another file; its node."""
    box = tree._outboxes.of_node(uuid.uuid4().hex, uuid.uuid4().hex)
    box.open("r", parent.id, {"level": "run", "keep": "chosen", "mlflow.loggedImages": "True"})
    (box.folder / "checkpoint").mkdir()
    (box.folder / "checkpoint" / "chosen.json").write_text("{}")
    for path in ("images/a.webp", GALLERY, "scores.json"):
        box.put("text", {"path": path, "text": "abc"}, f"3-end-{path.replace('/', '-')}")
    box.close("FINISHED", {})
    if send:
        tree._delivery.notice(box)
        tree.finish()
    return box.node


def kept(store, node):
    run = store.run_of_node(node)
    return {file.path for file in store.client.list_artifacts(run.info.run_id)}, run.data.tags


ALL = {"checkpoint", "images", GALLERY, "scores.json"}


def test_what_a_trial_does_not_keep_is_removed_and_the_tags_say_so(store, tree):
    trial, other = opened(tree, "trial"), opened(tree, "trial")
    runs = [run_below(tree, trial), run_below(tree, trial), run_below(tree, other)]
    for _ in range(2):
        tree.forget(trial)
        tree.finish()
        for node in runs[:2]:
            files, tags = kept(store, node)
            assert files == {"scores.json"}
            assert (tags["keep"], tags["heatmaps_kept"]) == ("none", "False")  # see find_finished
            assert "mlflow.loggedImages" not in tags
    assert kept(store, runs[2])[0] == ALL
    assert kept(store, runs[2])[1]["keep"] == "chosen"


def test_a_run_that_arrives_after_its_trial_was_forgotten_keeps_nothing(store, tree):
    trial = opened(tree, "trial")
    tree.forget(trial)
    tree.finish()
    files, tags = kept(store, run_below(tree, trial))
    assert (files, tags["keep"]) == ({"scores.json"}, "none")
    assert store.run_of_node(trial.id).data.tags["runs_kept"] == "False"


def test_a_run_that_is_being_sent_is_left_alone_until_it_has_ended(store, tree):
    trial = opened(tree, "trial")
    box = tree._outboxes.of_node(uuid.uuid4().hex, uuid.uuid4().hex)
    box.open("r", trial.id, {"level": "run", "keep": "chosen"})
    box.put("text", {"path": "images/a.webp", "text": "abc"}, "3-end-images")
    tree._delivery.notice(box)
    tree.finish()
    tree.forget(trial)
    tree.finish()
    files, tags = kept(store, box.node)
    assert (files, tags["keep"]) == ({"images"}, "chosen")
    box.close("FINISHED", {})
    tree._delivery.notice(box)
    tree.finish()
    files, tags = kept(store, box.node)
    assert (files, tags["keep"]) == (set(), "none")


def test_a_run_that_another_tree_has_taken_over_keeps_its_files(store, tree):
    first, second = opened(tree, "trial"), opened(tree, "trial")
    node = run_below(tree, first)
    tree._put(second, "take_over", run_id=None, taken=node, tags={}, group="1")
    tree.forget(second)  # it stands below the first
    tree.finish()
    assert kept(store, node)[0] == ALL
    tree.forget(first)
    tree.finish()
    assert kept(store, node)[0] == ALL
    assert kept(store, node)[1]["keep"] == "chosen"


def test_forgetting_waits_for_a_store_that_is_away(store, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(delivery.Delivery, "start", lambda self: None)
        tree = MlflowTree(store=store)
        trial = opened(tree, "trial")
        node = run_below(tree, trial, send=False)
        tree.forget(trial)
    with MlflowTree(store=store):
        pass
    assert kept(store, node)[0] == {"scores.json"}


def test_one_that_dies_in_the_middle_is_made_up_for(store, tree, monkeypatch):
    trial = opened(tree, "trial")
    node = run_below(tree, trial)
    with monkeypatch.context() as patched:
        patched.setattr(store.client, "delete_tag", lambda *arguments: (_ for _ in ()).throw(KeyboardInterrupt))
        sink = StoreSink(store, tree.work)
        record = type("Record", (), {"kind": "forget", "node": trial.id, "payload": {}})
        with pytest.raises(KeyboardInterrupt):
            sink.write(record, None)
    assert "heatmaps_kept" not in kept(store, node)[1]
    tree.forget(trial)
    tree.finish()
    assert kept(store, node)[1]["heatmaps_kept"] == "False"


def test_nothing_is_forgotten_of_a_trial_that_was_deleted(store):
    with MlflowTree(store=store) as tree:
        trial = opened(tree, "trial")
    store.client.delete_run(store.run_of_node(trial.id).info.run_id)
    with MlflowTree(store=store) as tree:  # the same command, given again
        tree.forget(trial)
    assert store.run_of_node(trial.id) is None
