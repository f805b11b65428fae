"""The tracking thread: everything in order, nothing lost, errors told."""

import threading

import pytest

from rdpp.tracking.records import Record
from rdpp.tracking.writer import Writer


class Sink:
    """Keeps what is written; fails at texts that say so."""

    def __init__(self):
        self.written, self.threads = [], set()

    def write(self, record, failure):
        self.threads.add(threading.current_thread().name)
        if record.payload.get("fail"):
            raise RuntimeError("disk full")
        self.written.append((record.payload.get("number", record.kind), failure and str(failure)))


def number(n):
    return Record("run", "text", {"number": n})


BAD, CLOSE = Record("run", "text", {"fail": True}), Record("run", "close", {})


def test_records_wait_for_the_start_and_are_written_in_order():
    sink = Sink()
    with Writer(lambda: sink) as writer:
        for n in range(5):
            writer.put(number(n))
        assert sink.written == []
        writer.finish()
        assert sink.written == [(n, None) for n in range(5)]
    assert sink.threads == {"tracking_0"}


def test_nothing_is_lost_where_the_block_ends_at_once():
    sink = Sink()
    with Writer(lambda: sink) as writer:
        for n in range(100):
            writer.put(number(n))
    assert [n for n, _ in sink.written] == list(range(100))


def work(open_sink, *records, end=None):
    """Put records, then end the block, with an error of its own if one is given."""
    with Writer(open_sink) as writer:
        for record in records:
            writer.put(record)
        if end is not None:
            raise end


def test_an_error_stops_what_follows_but_for_closing_records():
    sink = Sink()
    with pytest.raises(RuntimeError, match="disk full"):
        work(lambda: sink, BAD, number(1), CLOSE)
    assert sink.written == [("close", "disk full")]


def test_an_error_is_told_at_the_next_check():
    writer = Writer(Sink)
    writer.check()
    writer.put(BAD)
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
        work(refuse, number(1), CLOSE, CLOSE)
    assert tries == [1]


def test_the_owners_own_error_comes_first():
    with pytest.raises(KeyboardInterrupt):
        work(Sink, BAD, end=KeyboardInterrupt())
