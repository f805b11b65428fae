"""What a page about a study or an ablation shows: which of the runs below it, in which order, and what of them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Column = tuple[Literal["metrics", "params", "tags", "attributes"], str]
"""What a run has, and its name: `("metrics", "objective")`."""
DURATION: Column = ("attributes", "Duration")
CONFIRMED = "-confirmed"
"""After a study's name: the name of the ablation that confirms its best trial. Its pages belong to the study."""


@dataclass(frozen=True)
class Chart:
    """A chart with a point, a line or a bar a run."""

    kind: Literal["parallel", "scatter", "bar", "line"]
    """`parallel`: coordinates, one axis a column; `scatter`: the first column is x, the second y; `bar`: the last value
    of a metric; `line`: a metric over its steps."""
    axes: tuple[Column, ...]


@dataclass(frozen=True)
class View:
    """A page about the runs below a parent."""

    name: str
    """Shown to people."""
    level: str
    """Of the runs that it shows: trial, variant or run."""
    order: Column
    """They are sorted by it, the highest value first."""
    columns: tuple[Column, ...]
    """From left to right."""
    charts: tuple[Chart, ...] = ()

    def to_data(self) -> dict[str, Any]:
        """As JSON takes it."""
        return asdict(self)

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> "View":
        """What `to_data` gave, after JSON has made lists of its tuples."""
        charts = tuple(Chart(chart["kind"], _columns(chart["axes"])) for chart in data["charts"])
        (order,) = _columns([data["order"]])
        return cls(data["name"], data["level"], order, _columns(data["columns"]), charts)


def _columns(pairs: Any) -> tuple[Column, ...]:
    return tuple((kind, name) for kind, name in pairs)
