"""The time left of a bar."""

import pytest

from rdpp.display.screen import Terminal


@pytest.mark.parametrize("done", [0.0, 1e-17, 1e-6])
def test_what_rounding_leaves_of_a_sum_is_no_pace(done):
    """Else the time left is longer than Python can say."""
    with Terminal(24) as screen:
        screen.show(done=done)
        assert screen._left() == ""
        screen.show(done=0.5)
        assert screen._left().startswith("left ")


def test_runs_that_finished_before_take_no_time(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("rdpp.display.screen.time.monotonic", lambda: now[0])
    screen = Terminal(84)
    screen.finished_before(72)
    now[0] = 60.0
    screen.show_worker(1, done=0.5)  # of the first run that is not finished
    screen.show_worker(2, done=2)  # two that were
    screen.show_worker(2, done=2.5)
    assert screen._left() == "left 0:11:00"  # 11 of 12 runs, 60 s each
    screen.show_worker(1, done=80.5)  # all others, by other machines
    assert screen._left() == "left 0:01:00"
