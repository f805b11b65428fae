"""Intervals as text."""

import pytest

from rdpp.config import ConfigError
from rdpp.interval import Interval


@pytest.mark.parametrize(
    ("text", "interval"),
    [
        ("auto", None),
        ("30 s", Interval(seconds=30.0)),
        ("10min", Interval(seconds=600.0)),
        ("2 h", Interval(seconds=7200.0)),
        ("1 epoch", Interval(epochs=1)),
        ("3 batches", Interval(batches=3)),
    ],
)
def test_a_number_and_a_unit(text, interval):
    assert Interval.parse(text, "every") == interval


@pytest.mark.parametrize("text", ["", "10", "0 s", "1.5 epochs", "3 days", "-1 s"])
def test_anything_else_is_told(text):
    with pytest.raises(ConfigError, match=r"^every is '.*'; give a number and a unit"):
        Interval.parse(text, "every")
