"""Records on disk: whole, in order, and none twice."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from rdpp.runs.work_folder import WorkFolder
from rdpp.tracking.conventions.artifacts import CHECKPOINT
from rdpp.tracking.conventions.location import work_folder
from rdpp.tracking.outbox.outboxes import RESULT, Home, Outbox, Outboxes


@pytest.fixture
def outboxes(tmp_path):
    return Outboxes.of(WorkFolder(tmp_path / "work"), f"sqlite:///{tmp_path / 'mlflow.db'}")


def texts(outbox):
    return [outbox.read(path).payload.get("text") for path in outbox.waiting()]


def put_texts(outbox, name, count):
    for number in range(count):
        outbox.put("text", {"path": "p", "text": f"{name} {number}"})


def test_a_record_comes_back_as_it_was_put(outboxes):
    outbox = outboxes.of_node("abc")
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    payload = {
        "name": 'caf\udce9 "划痕"',
        "points": [("a", float("nan"), 1), ("b", 0.1, 2)],
        "pictures": [{"mask": pixels[..., 0] > 5, "pixels": pixels, "step": step} for step in (0, 1)],
        "none": None,
        "half": pixels.astype(np.float16).transpose(2, 0, 1),
    }
    outbox.put("pictures", payload)
    (path,) = outbox.waiting()
    record = outbox.read(path)
    assert (record.node, record.kind, record.folder) == ("abc", "pictures", outbox.folder)
    assert record.payload["name"] == payload["name"]
    assert str(record.payload["points"]) == "[['a', nan, 1], ['b', 0.1, 2]]"
    for found, wanted in zip(record.payload["pictures"], payload["pictures"], strict=True):
        np.testing.assert_array_equal(found["mask"], wanted["mask"])
        np.testing.assert_array_equal(found["pixels"], wanted["pixels"])
    np.testing.assert_array_equal(record.payload["half"], payload["half"])
    assert record.payload["half"].dtype == np.float16


def test_equal_arrays_are_stored_once(outboxes):
    outbox = outboxes.of_node("abc")
    outbox.put("pictures", {"pictures": [{"pixels": np.full((100, 100), 7.0)} for _ in range(10)]})
    (path,) = outbox.waiting()
    assert path.stat().st_size < 2 * 80_000


def test_several_processes_put_into_one_outbox_in_order(outboxes):
    outbox = outboxes.of_node("abc")
    workers = [get_context("fork").Process(target=put_texts, args=(outbox, name, 20)) for name in "abc"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    found = texts(outbox)
    assert len(found) == 60
    for name in "abc":
        assert [text for text in found if text[0] == name] == [f"{name} {number}" for number in range(20)]


def test_a_parents_outbox_that_is_removed_all_the_time_loses_nothing(outboxes):
    """Whoever puts makes the folder again that a sender has removed between two records."""
    outbox, found, done = outboxes.of_node("abc"), [], []

    def send():
        while not done or outbox.waiting():
            for path in outbox.waiting():
                found.append(outbox.read(path).payload["text"])
                outbox.note_sent(path)
            outbox.remove()

    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(send)
        put_texts(outbox, "a", 50)
        done.append(True)
        sending.result(60)
    assert found == [f"a {number}" for number in range(50)]
    assert not outbox.folder.exists()


def test_a_folder_that_is_removed_while_it_is_being_made_is_made_again(outboxes, monkeypatch):
    """mkdir finds that it exists, and then that there is no folder: what `exist_ok` is for is an error then."""
    outbox, mkdir, calls = outboxes.of_node("abc"), Path.mkdir, []

    def meet(path, *more, **options):
        calls.append(path)
        if len(calls) == 1:
            raise FileExistsError(str(path))
        mkdir(path, *more, **options)

    monkeypatch.setattr(Path, "mkdir", meet)
    outbox.put("text", {"text": "a"})
    assert texts(outbox) == ["a"]


def test_a_file_in_the_place_of_the_folder_is_an_error(outboxes):
    outbox = outboxes.of_node("abc")
    outbox.records.parent.mkdir(parents=True)
    outbox.records.touch()
    with pytest.raises(FileExistsError):
        outbox.put("text", {"text": "a"})


def test_a_record_that_is_put_as_the_folder_is_removed_stays(outboxes, monkeypatch):
    outbox, rmdir = outboxes.of_node("abc"), Path.rmdir
    outbox.put("text", {"text": "sent"})
    outbox.note_sent(outbox.waiting()[0])

    def put_in_between(folder):
        rmdir(folder)
        if folder == outbox.records:
            outbox.put("text", {"text": "put in between"})

    monkeypatch.setattr(Path, "rmdir", put_in_between)
    outbox.remove()
    assert texts(outbox) == ["put in between"]


def test_a_named_record_is_sent_once_and_stays_as_it_is_while_it_waits(outboxes):
    """A process may have died after MLflow had taken it and before that was noted: sent again, it must be the same."""
    outbox = outboxes.of_node("abc", "training")
    outbox.put("text", {"text": "first"}, "2-epoch-1")
    (path,) = outbox.waiting()
    first = outbox.read(path)
    outbox.put("text", {"text": "again"}, "2-epoch-1")
    (path,) = outbox.waiting()
    assert outbox.read(path) == first
    outbox.note_sent(path)
    outbox.put("text", {"text": "a third time"}, "2-epoch-1")
    assert texts(outbox) == []


def test_half_a_record_is_none(outboxes):
    outbox = outboxes.of_node("abc", "training")
    outbox.put("text", {"text": "whole"}, "2-epoch-1")
    (outbox.records / ".0123").write_bytes(b"half of one, by a process that was killed")
    assert texts(outbox) == ["whole"]


def test_a_run_that_goes_on_has_no_end_yet(outboxes):
    outbox = outboxes.of_node("abc", "training")
    outbox.open("run", None, {})
    outbox.put("text", {"text": "epoch"}, "2-epoch-1")
    outbox.close("KILLED", {}, over=False)
    assert [outbox.read(path).kind for path in outbox.waiting()] == ["open", "text", "close"]
    assert not outbox.is_over()
    outbox.open("run", None, {})
    assert [outbox.read(path).kind for path in outbox.waiting()] == ["open", "open", "text"]
    outbox.close("FINISHED", {})
    assert outbox.is_over()


def test_stores_that_share_a_work_folder_have_outboxes_of_their_own(tmp_path):
    roots = {
        Outboxes.of(work_folder(uri), uri).root
        for uri in (
            f"sqlite:///{tmp_path / 'a.db'}",
            f"sqlite:///{tmp_path / 'b.db'}",
            "http://127.0.0.1:5000",
            "http://127.0.0.1:5001",
            "postgresql://user:secret@host/db",
        )
    }
    assert len(roots) == 5
    assert not any("secret" in str(root) for root in roots)


def test_a_store_that_is_no_file_has_its_work_folder_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert work_folder("http://127.0.0.1:5000").root == tmp_path / "runs" / "work"
    assert work_folder(f"sqlite:///{tmp_path / 'x' / 'a.db'}").root == tmp_path / "x" / "work"
    monkeypatch.setenv("RDPP_WORK_FOLDER", str(tmp_path / "own"))
    assert work_folder("http://127.0.0.1:5000").root == tmp_path / "own"


def test_a_run_keeps_its_node_until_it_is_over(tmp_path):
    home = Home(tmp_path / "training")
    node = home.node()
    assert home.node() == node
    home.leave("another run's")
    assert home.node() == node
    home.leave(node)
    assert not home.folder.exists()
    assert home.node() != node


def test_an_outbox_says_which_run_it_is_of(tmp_path):
    assert (Outbox(tmp_path / "t1-n1").node, Outbox(tmp_path / "t1-n1").training) == ("n1", "t1")
    assert (Outbox(tmp_path / "n1").node, Outbox(tmp_path / "n1").training) == ("n1", None)
    assert json.dumps(Outbox(tmp_path / "n1").waiting()) == "[]"


class Killed(BaseException):
    """What stands for SIGKILL."""


def killed_at(moment, monkeypatch):
    """The process dies as it is about to remove something for the so manieth time."""
    counts = iter(range(moment + 1))

    def of(remove):
        def removes(*arguments, **flags):
            if next(counts, None) == moment:
                raise Killed
            return remove(*arguments, **flags)

        return removes

    monkeypatch.setattr(os, "unlink", of(os.unlink))
    monkeypatch.setattr(os, "rmdir", of(os.rmdir))


@pytest.mark.parametrize("training", [None, "training"])
def test_a_removal_that_was_killed_at_any_moment_is_ended_by_the_next_process(outboxes, monkeypatch, training):
    for moment in range(20):
        outbox = outboxes.of_node("abc", training)
        outbox.open("run", None, {})
        (outbox.records / ".begun").write_text("")
        if training:
            (outbox.folder / RESULT).write_text("{}")
            (outbox.folder / CHECKPOINT).mkdir()
            (outbox.folder / CHECKPOINT / "chosen.json").write_text("{}")
        outbox.close("FINISHED", {})
        for path in outbox.waiting():
            outbox.note_sent(path)
        with monkeypatch.context() as patch:
            killed_at(moment, patch)
            try:
                outbox.remove()
            except Killed:
                assert outbox.folder.exists()
            else:
                assert moment > (6 if training else 2)
                break
        outbox.remove()
        assert outboxes.all() == []
    assert outboxes.all() == []
