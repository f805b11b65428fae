"""Decoding and encoding of configurations, on small dataclasses of their own."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from rdpp.config import ConfigError, choose, decode, encode, flatten, join, require


@dataclass(frozen=True)
class Circle:
    kind: Literal["circle"] = "circle"
    radius: float = 1.0

    def __post_init__(self):
        require(self.radius > 0, f"radius must be above 0, got {self.radius}")


@dataclass(frozen=True)
class Square:
    kind: Literal["square"] = "square"
    side: float = 2.0


@dataclass(frozen=True)
class Drawing:
    title: str
    shape: Circle | Square = Circle()
    layers: tuple[int, ...] = ()
    visible: bool = True
    opacity: float | None = None
    size: int | tuple[int, ...] = 3
    by_name: Mapping[str, float] = dataclasses.field(default_factory=dict)
    mode: Literal["fast", "exact", 3] = "fast"
    anything: Any = None


COMPLETE = {
    "title": "t",
    "shape": {"kind": "square", "side": 1.5},
    "layers": [1, 2],
    "visible": False,
    "opacity": 0.5,
    "size": [4, 5],
    "by_name": {"a": 1.0},
    "mode": 3,
    "anything": {"x": [1]},
}


def test_every_kind_of_value():
    drawing = decode(Drawing, COMPLETE)
    assert drawing == Drawing("t", Square(side=1.5), (1, 2), False, 0.5, (4, 5), {"a": 1.0}, 3, {"x": [1]})
    assert encode(drawing) == COMPLETE


def test_defaults_stay_where_nothing_is_said():
    assert decode(Drawing, {"title": "t"}) == Drawing("t")
    assert decode(Drawing, encode(Drawing("t"))) == Drawing("t")


def test_a_value_that_is_built_already_is_kept():
    drawing = Drawing("t")
    assert decode(Drawing, drawing) is drawing


def test_the_tag_may_be_left_out_for_the_first_kind():
    assert decode(Drawing, {"title": "t", "shape": {"radius": 2}}).shape == Circle(radius=2.0)


@pytest.mark.parametrize("value", [1, "1e-3", "2.5", 0.5])
def test_numbers_are_read_as_yaml_means_them(value):
    found = decode(float, value)
    assert (found, type(found)) == (float(value), float)


@pytest.mark.parametrize("data", [None, [], {}])
def test_null_is_a_value_only_where_it_is_allowed(data):
    assert decode(float | None, None) is None
    with pytest.raises(ConfigError, match=r"value must be a number, got"):
        decode(float, data)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"titel": "x"}, r"^unknown key 'titel', did you mean 'title'\? choices: anything, by_name, "),
        ({"zzz": 1}, r"^unknown key 'zzz'; choices: anything, by_name"),
        ({"shape": {"kind": "square", "radius": 1}}, r"^unknown key in shape 'radius'; choices: kind, side"),
        (
            {"shape": {"kind": "cirlce"}},
            r"^unknown shape.kind 'cirlce', did you mean 'circle'\? choices: circle, square",
        ),
        ({"shape": {"radius": -1}}, r"^shape: radius must be above 0, got -1.0"),
        ({"shape": {"radius": "wide"}}, r"^shape.radius must be a number, got 'wide'"),
        ({"shape": None}, r"^shape must be a mapping of keys to values, got None"),
        ({"shape": 3}, r"^shape must be a mapping of keys to values, got 3"),
        ({"title": 3}, r"^title must be text, got 3; put it in quotes"),
        ({"title": None}, r"^title must be text, got None"),
        ({"layers": 3}, r"^layers must be a list, got 3"),
        ({"layers": "12"}, r"^layers must be a list, got '12'"),
        ({"layers": [1, "2"]}, r"^layers\[1\] must be a whole number, got '2'"),
        ({"layers": [1.5]}, r"^layers\[0\] must be a whole number, got 1.5"),
        ({"layers": [True]}, r"^layers\[0\] must be a whole number, got True"),
        ({"visible": 1}, r"^visible must be true or false, got 1"),
        ({"visible": "yes"}, r"^visible must be true or false, got 'yes'"),
        ({"opacity": True}, r"^opacity must be a number, got True"),
        ({"opacity": "thick"}, r"^opacity must be a number, got 'thick'"),
        ({"size": 1.5}, r"^size must be a whole number or a list of a whole number, got 1.5"),
        ({"by_name": [1]}, r"^by_name must be a mapping of keys to values, got \[1\]"),
        ({"by_name": {"a": "x"}}, r"^by_name.a must be a number, got 'x'"),
        ({"mode": "fats"}, r"^unknown value for mode 'fats', did you mean 'fast'\? choices: 3, exact, fast"),
        ({"mode": "3"}, r"^mode must be 'fast' or 'exact' or 3, got '3'"),
        ({"mode": True}, r"^unknown value for mode 'True'; choices: 3, exact, fast"),
    ],
)
def test_what_does_not_fit(changes, message):
    with pytest.raises(ConfigError, match=message):
        decode(Drawing, {"title": "t", **changes})


def test_a_missing_key():
    with pytest.raises(ConfigError, match=r"^title is missing; add it \(text\)"):
        decode(Drawing, {})
    with pytest.raises(ConfigError, match=r"^drawings\[0\].title is missing"):
        decode(tuple[Drawing, ...], [{}], "drawings")


def test_no_mapping_at_all():
    with pytest.raises(ConfigError, match=r"^value must be a mapping of keys to values, got \[1\]"):
        decode(Drawing, [1])


def test_a_configuration_error_is_a_value_error():
    assert issubclass(ConfigError, ValueError)


def test_require():
    require(True, "fine")
    with pytest.raises(ConfigError, match=r"^not fine$"):
        require(False, "not fine")


def test_choose():
    assert choose("b", ["b", "a"], "letter") == "b"
    with pytest.raises(ConfigError, match=r"^unknown letter 'q'; choices: a, b$"):
        choose("q", ["b", "a"], "letter")
    with pytest.raises(ConfigError, match=r"^unknown letter 'q': there is none yet$"):
        choose("q", [], "letter")
    with pytest.raises(ConfigError, match=r"^unknown letter 'q': there is none yet; write one$"):
        choose("q", [], "letter", none="write one")


def test_flatten_and_join():
    assert flatten({"a": {"b": {"c": 1}, "d": None}, "e": [1, 2]}) == {"a.b.c": 1, "a.d": None, "e": [1, 2]}
    assert join("", "a") == "a"
    assert join("a", 3) == "a.3"
