"""The tracking thread: everything in order, nothing lost, an absent store waited for, errors told."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sinks import Away, FakeSink, outage

from rdpp.config import ConfigError
from rdpp.runs import run_lock
from rdpp.runs.work_folder import WorkFolder
from rdpp.stopping import Stopped
from rdpp.tracking.outbox import delivery as module
from rdpp.tracking.outbox.delivery import Delivery
from rdpp.tracking.outbox.outboxes import RESULT, Home, Outboxes
from rdpp.tracking.outbox.sender import Held, Sender


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(module, "_FIRST_PAUSE", 0.02)


@pytest.fixture
def boxes(tmp_path):
    return Outboxes.of(WorkFolder(tmp_path / "work"), "http://127.0.0.1:5000")


class Desk:
    """A delivery to a fake store, with what it tells."""

    def __init__(self, boxes, sink=None, **how):
        self.sink, self.told = sink or FakeSink(), []
        settings = {"outage": outage, "tell": self.told.append, "patience": 0.1, **how}
        self.delivery = Delivery(boxes, self.open, "http://127.0.0.1:5000", **settings)
        self.boxes = boxes

    def open(self):
        return self.sink

    def put(self, node, *texts):
        box = self.boxes.of_node(node)
        for text in texts:
            if text in ("open", "close"):
                getattr(box, text)("FINISHED", *([None, {}] if text == "open" else [{}]))
                self.delivery.notice(box)
            else:
                self.delivery.put(box, "text", {"text": text})


def test_records_wait_for_the_start_and_are_sent_in_order(boxes):
    desk = Desk(boxes)
    desk.put("a", "open", *map(str, range(5)))
    assert desk.sink.written == []
    desk.delivery.finish()
    desk.put("a", "close")
    desk.delivery.end(None)
    assert desk.sink.texts() == ["open", "0", "1", "2", "3", "4", "close"]
    assert desk.sink.threads == {"tracking"}
    assert (boxes.all(), desk.told) == ([], [])


def test_an_error_marks_what_ends_well_and_the_record_is_kept(boxes):
    desk = Desk(boxes)
    desk.delivery.check()
    desk.put("a", "open", "fail", "after", "close")
    with pytest.raises(RuntimeError, match="no such tag"):
        desk.delivery.finish()
    with pytest.raises(RuntimeError, match="no such tag"):
        desk.delivery.check()
    with pytest.raises(RuntimeError, match="no such tag"):
        desk.delivery.end(None)
    assert desk.sink.written[-2:] == [("a", "after", "no such tag"), ("a", "close", "no such tag")]
    assert boxes.of_node("a").refused()


def test_the_owners_own_error_comes_first(boxes):
    desk = Desk(boxes)
    desk.put("a", "open", "fail")
    desk.delivery.end(ValueError("the owner's"))  # raises nothing: the owner's error is on its way
    assert desk.delivery.error is not None


def test_a_store_that_cannot_be_opened_is_tried_once_and_nothing_is_lost(boxes):
    tries = []

    def refuse():
        tries.append(1)
        raise ValueError("the experiment was deleted")

    desk = Desk(boxes)
    desk.open = refuse
    desk.delivery._open = refuse
    desk.put("a", "open", "1")
    with pytest.raises(ValueError, match="was deleted"):
        desk.delivery.end(None)
    assert (tries, boxes.count()) == ([1], 2)


def test_an_absent_store_is_waited_for_and_everything_arrives_in_order(boxes):
    desk = Desk(boxes)
    desk.put("a", "open", "1")
    desk.delivery.finish()
    desk.sink.away = True
    desk.put("a", "2")
    desk.delivery.finish()  # does not wait: the record is safe
    desk.put("a", "3", "close")
    time.sleep(0.2)
    assert desk.sink.tries > 3
    assert desk.sink.texts() == ["open", "1"]
    desk.sink.away = False
    desk.delivery.wait()
    assert desk.sink.texts() == ["open", "1", "2", "3", "close"]
    assert len(desk.told) == 2
    assert "is away (connection refused); records wait in" in desk.told[0]
    assert "is back" in desk.told[1]
    desk.delivery.end(None)


def test_a_store_that_is_away_when_it_is_opened_is_waited_for(boxes):
    desk, tries = Desk(boxes), []

    def open_late():
        tries.append(1)
        if len(tries) < 3:
            raise Away("refused")
        return desk.sink

    desk.delivery._open = open_late
    desk.put("a", "open")
    desk.delivery.end(None)
    assert desk.sink.texts() == ["open"]


def test_a_store_that_stays_away_costs_the_patience_and_the_next_process_sends_all(boxes):
    desk = Desk(boxes, patience=0.3)
    desk.sink.away = True
    desk.put("a", "open", "1", "close")
    began = time.monotonic()
    desk.delivery.end(None)
    assert 0.3 <= time.monotonic() - began < 3
    assert "3 records wait in" in desk.told[-1]
    assert "rdpp sync --tracking-uri http://127.0.0.1:5000" in desk.told[-1]
    with pytest.raises(ConfigError, match=r"is away \(connection refused\)"):
        desk.delivery.wait()
    later = Desk(boxes)
    later.delivery.end(None)
    assert later.sink.texts("a") == ["open", "1", "close"]
    assert boxes.all() == []


@pytest.mark.parametrize("error", [KeyboardInterrupt(), Stopped(15)])
def test_who_was_stopped_does_not_wait_for_an_absent_store(boxes, error):
    desk = Desk(boxes, patience=60)
    desk.sink.away = True
    desk.put("a", "open")
    began = time.monotonic()
    desk.delivery.end(error)
    assert time.monotonic() - began < 5
    assert boxes.count() == 1
    assert desk.told[-1].startswith("1 record waits in")


def test_what_another_process_left_and_the_store_refuses_is_told_and_no_error_here(boxes):
    Desk(boxes).put("left", "open", "fail")
    desk = Desk(boxes)
    desk.put("a", "open")
    desk.delivery.end(None)
    assert desk.sink.texts() == ["open", "open"]
    assert "MLflow refused records that lie in" in desk.told[0]


def test_what_a_process_left_that_was_killed_meanwhile_is_sent_at_the_end(boxes):
    desk = Desk(boxes)
    desk.put("a", "open")
    desk.delivery.finish()
    Desk(boxes).put("left", "open", "close")
    desk.put("a", "close")
    desk.delivery.end(None)
    assert desk.sink.texts("left") == ["open", "close"]
    assert boxes.all() == []


def test_a_childs_parent_is_opened_first_whoever_put_it(boxes):
    parent, other = boxes.of_node("parent"), boxes.of_node("taken", "training")
    parent.open("parent", None, {})
    other.open("taken", None, {})
    child = boxes.of_node("child", "t")
    child.open("child", "parent", {})
    boxes.of_node("parent").put("take_over", {"taken": "taken", "text": "takes"})
    sink = FakeSink()
    Sender(boxes, sink, outage).send(child)
    assert [node for node, text, _ in sink.written if text == "open"] == ["parent", "taken", "child"]
    assert [text for _, text, _ in sink.written] == ["open", "open", "takes", "open"]


def test_one_process_at_a_time_sends_an_outbox(boxes):
    desk = Desk(boxes, patience=20)
    desk.put("a", "open", "1")
    with boxes.lock(boxes.of_node("a")):
        with pytest.raises(Held):
            Sender(boxes, desk.sink, outage).send(boxes.of_node("a"))
        desk.put("b", "open")
        desk.delivery.start()
        until = time.monotonic() + 10
        while "b" not in desk.sink.opened and time.monotonic() < until:
            time.sleep(0.01)
        assert desk.sink.opened == {"b"}  # the others go on
    desk.delivery.end(None)
    assert desk.sink.texts("a") == ["open", "1"]


def test_two_deliveries_at_one_parent_send_each_record_once(boxes):
    sink = FakeSink()
    desks = [Desk(boxes, sink, patience=20) for _ in range(2)]

    def work(name):
        desk = desks[name]
        desk.delivery.start()
        desk.put("parent", "open", *(f"{name} {number}" for number in range(30)), "close")
        desk.delivery.end(None)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, range(2)))
    texts = sink.texts("parent")
    for name in range(2):
        own = [text for text in texts if text.startswith(f"{name} ")]
        assert own == [f"{name} {number}" for number in range(30)]
    assert (texts.count("open"), texts.count("close")) == (2, 2)
    assert boxes.all() == []


def test_a_run_that_finished_in_a_process_that_died_then_is_closed(boxes):
    home = Home(boxes.work.of("training"))
    node = home.node()
    box = boxes.of_node(node, "training")
    box.open("run", None, {})
    (box.folder / RESULT).write_text("{}")
    (box.folder / "checkpoint").mkdir()
    desk = Desk(boxes)
    with boxes.work.lock(run_lock("training")):  # it lives, and does so itself
        desk.delivery.end(None)
    assert desk.sink.texts() == []
    later = Desk(boxes, desk.sink)
    later.delivery.end(None)
    assert later.sink.texts() == ["open", "folder", "close"]
    assert boxes.all() == []
    assert not home.folder.exists()


def test_a_run_that_the_user_stopped_keeps_its_folder(boxes):
    box = boxes.of_node("n", "training")
    box.open("run", None, {})
    (box.folder / "checkpoint").mkdir()
    box.close("KILLED", {}, over=False)
    desk = Desk(boxes)
    desk.delivery.end(None)
    assert desk.sink.texts() == ["open", "close"]  # the checkpoint stays
    assert (box.folder / "checkpoint").is_dir()
