"""A signal lets the batch in work come to its end, a second one does not, and what is ignored stays ignored."""

import os
import signal
import subprocess
import sys

import pytest

from rdpp.stopping import Stop, Stopped, stopping


@pytest.fixture(autouse=True)
def _signals_are_listened_to():
    """As they are not where a script starts the tests in the background, or with nohup."""
    handlers = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def send(number):
    os.kill(os.getpid(), number)


@pytest.mark.parametrize(
    ("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGUSR1, 138)]
)
def test_a_signal_outside_of_a_batch_stops_at_once(number, exit_code):
    with stopping(), pytest.raises(Stopped) as stopped:
        send(number)
    assert stopped.value.exit_code == exit_code


def test_the_first_signal_waits_for_the_batch_and_the_second_does_not():
    told = []
    with stopping(told.append) as stop, stop.after_batch():
        send(signal.SIGTERM)
        assert stop.requested == signal.SIGTERM
        assert len(told) == 1
        with pytest.raises(Stopped):
            send(signal.SIGINT)


def test_between_batches_a_waiting_signal_is_looked_at():
    with stopping(lambda line: None) as stop, stop.after_batch():
        stop.check()
        send(signal.SIGINT)
        with pytest.raises(Stopped):
            stop.check()


def test_what_was_listened_to_before_is_listened_to_after():
    before = signal.getsignal(signal.SIGTERM)
    with stopping():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_signal_that_was_ignored_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stopping() as stop:
            send(signal.SIGHUP)
            assert stop.requested is None
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_third_signal_ends_the_process():
    code = """
import os, signal
from rdpp.stopping import stopping, Stopped
with stopping(lambda line: None) as stop, stop.after_batch():
    for _ in range(3):
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except Stopped:
            pass
    print("went on")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (143, "")


def test_sleeping_is_ended_by_a_request_that_waits():
    stop = Stop(lambda line: None)
    with stop.after_batch():
        stop.request(signal.SIGTERM)
    with pytest.raises(Stopped):
        stop.sleep(60)
