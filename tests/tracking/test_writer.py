"""The tracking thread: everything in order, nothing lost, errors told."""

import threading

import pytest

from rdpp.tracking.writer import Writer


def test_jobs_wait_for_the_start_and_are_done_in_order():
    done = []
    with Writer(lambda: "store") as writer:
        for number in range(5):
            writer.submit(lambda store, number=number: done.append((store, number)))
        assert done == []
        writer.finish()
        assert done == [("store", number) for number in range(5)]
        last = writer.submit(lambda store: threading.current_thread().name)
    assert last.result() == "tracking"


def test_nothing_submitted_is_lost_where_the_block_ends_at_once():
    done = []
    with Writer(lambda: "store") as writer:
        for number in range(100):
            writer.submit(lambda store, number=number: done.append(number))
    assert done == list(range(100))


def fail(store):
    raise RuntimeError("disk full")


def work(open_store, *jobs, end=None):
    """Submit (job, closing) pairs, then end the block, with an error of its own if one is given."""
    with Writer(open_store) as writer:
        for job, closing in jobs:
            writer.submit(job, closing=closing)
        if end is not None:
            raise end


def test_an_error_stops_what_follows_but_for_closing_jobs():
    done = []
    more, close = (lambda store: done.append("more")), (lambda store: done.append("closed"))
    with pytest.raises(RuntimeError, match="disk full"):
        work(lambda: "store", (fail, False), (more, False), (close, True))
    assert done == ["closed"]


def test_an_error_is_told_at_the_next_check():
    writer = Writer(lambda: "store")
    writer.check()
    writer.submit(fail)
    with pytest.raises(RuntimeError, match="disk full"):
        writer.finish()
    with pytest.raises(RuntimeError, match="disk full"):
        writer.check()
    with pytest.raises(RuntimeError, match="disk full"):
        writer.__exit__(None, None, None)


def test_a_store_that_cannot_be_opened_is_tried_once():
    tries = []

    def refuse():
        tries.append(1)
        raise ValueError("no such server")

    with pytest.raises(ValueError, match="no such server"):
        work(refuse, *(((lambda store: None), closing) for closing in (False, True, True)))
    assert tries == [1]


def test_the_owners_own_error_comes_first():
    with pytest.raises(KeyboardInterrupt):
        work(lambda: "store", (fail, False), end=KeyboardInterrupt())
