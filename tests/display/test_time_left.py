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
