"""Views of MLflow's UI: a page about a study or an ablation, and the link that opens it.

MLflow's UI (3.15 and later) keeps a named view in a tag of the MLflow experiment, `mlflow.sharedViewState.ID`. Its
value is JSON: a name, two times, and the state of the UI's page as compressed JSON. The link names the view alone: the
UI ignores a view beside which the link says how to search or to sort. Older versions get a link that does so.
"""

import base64
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from rdpp.runs.views import CONFIRMED, Chart, Column, View
from rdpp.tracking.conventions.names import to_key
from rdpp.tracking.conventions.tags import LEVEL, ROOT

if TYPE_CHECKING:
    from rdpp.tracking.store.mlflow_store import Store

TAG = "mlflow.sharedViewState."
MOST = 40
"""Views that an MLflow experiment may have, those that people saved among them."""
_SINCE = (3, 15)
"""MLflow's first version that opens views."""
_OURS = "rdpp-"
"""All ids of ours begin so."""
_LONGEST = 20_000
"""Characters of a tag of an MLflow experiment."""
_KINDS = {"parallel": "PARALLEL", "scatter": "SCATTER", "bar": "BAR", "line": "LINE"}
_PACKED = "deflate;"
"""Before a state that is compressed."""
_SECTION = "rdpp"
_AXES = {"metrics": "METRIC", "params": "PARAM"}


@dataclass(frozen=True)
class SavedView:
    """A view of ours, as the store has it."""

    id: str
    name: str
    updated: int
    """When it was written last, in milliseconds since 1970."""
    created: int
    state: Mapping[str, Any]
    """Of the UI's page."""

    @property
    def subject(self) -> str:
        """The name of the study or the ablation."""
        return self.name.rpartition(": ")[0]

    @property
    def root(self) -> str | None:
        """MLflow's id of the study's or the ablation's run."""
        return self.state.get("root")


def view_id(node: str, level: str) -> str:
    """The id of a view, the same whenever it is written.

    Args:
        node: `Node.id` of the parent.
        level: of the runs that it shows.
    """
    return f"{_OURS}{node}-{level}"


def state_of(view: View, root: str) -> dict[str, Any]:
    """The state of the UI's page; what it leaves out has the UI's defaults.

    Args:
        view: what to show.
        root: MLflow's id of the run at the root of the tree.
    """
    columns = [_column(column) for column in view.columns]
    cards = [_card(chart, number) for number, chart in enumerate(view.charts)]
    section = {"uuid": _SECTION, "name": view.name, "display": True, "isReordered": True}
    return {
        "root": root,  # the UI passes over it
        "searchFilter": f"tags.{ROOT} = '{root}' and tags.{LEVEL} = '{view.level}'",
        "orderByKey": _column(view.order),
        "orderByAsc": False,
        "selectedColumns": columns,
        "columnOrder": columns,
        "columnWidths": {id_of: _width(name) for id_of, (_, name) in zip(columns, view.columns, strict=True)},
        "runsHiddenMode": "SHOW_ALL",
        "isAccordionReordered": True,  # else the UI sorts its sections by name
        "compareRunCharts": cards,
        "compareRunSections": [section] if cards else [],
    }


def tag_value(name: str, created: int, updated: int, state: Mapping[str, Any]) -> str:
    """The value of a view's tag.

    Raises:
        ValueError: it is longer than MLflow takes.
    """
    packed = base64.b64encode(zlib.compress(json.dumps(state).encode())).decode()
    value = json.dumps({"name": name, "createdAt": created, "updatedAt": updated, "state": _PACKED + packed})
    if len(value) > _LONGEST:
        raise ValueError(f"the view {name} has {len(value)} characters; MLflow takes {_LONGEST}")
    return value


def write_view(
    store: "Store", view: View, node: str, root: str, now: int, changing: Callable[[], AbstractContextManager[None]]
) -> None:
    """Put a view into a store, in the place of the one with its id; where there are too many, of the oldest of ours.

    Args:
        store: to write to.
        view: what to show.
        node: `Node.id` of the parent.
        root: MLflow's id of it.
        now: in milliseconds since 1970.
        changing: lets one process at a time look and change.
    """
    own = view_id(node, view.level)
    with changing():
        tags = store.client.get_experiment(store.experiment_id).tags
        views = {key for key in tags if key.startswith(TAG)} - {TAG + own}
        oldest = [TAG + old.id for old in reversed(_saved(tags)) if old.id != own]
        for key in oldest[: max(0, len(views) + 1 - MOST)]:
            store.client.delete_experiment_tag(store.experiment_id, key)
        before = next((old.created for old in _saved(tags) if old.id == own), now)
        value = tag_value(view.name, before, now, state_of(view, root))
        store.client.set_experiment_tag(store.experiment_id, TAG + own, value)


def saved_views(store: "Store") -> list[SavedView]:
    """The views of ours in a store, the one that was written last first."""
    return _saved(store.client.get_experiment(store.experiment_id).tags)


def confirmations_below(views: Sequence[SavedView]) -> list[SavedView]:
    """Those of a confirmation just after those of its study, where it is among them; else in their order."""
    subjects = {view.subject for view in views}

    def study(view: SavedView) -> str:
        named = view.subject.removesuffix(CONFIRMED)
        return named if named in subjects else view.subject

    place: dict[str, int] = {}
    for number, view in enumerate(views):
        place.setdefault(study(view), number)
    return sorted(views, key=lambda view: (place[study(view)], view.subject != study(view)))


def link(base: str, experiment_id: str, view: SavedView | None) -> str:
    """The address of a page of MLflow's UI.

    Args:
        base: of the server, such as `http://127.0.0.1:5000`.
        experiment_id: of MLflow.
        view: to be opened; None: all runs.
    """
    page = f"{base}/#/experiments/{experiment_id}/runs"
    if view is None:
        facets = {}
    elif opens_views():
        facets = {"viewStateShareKey": view.id}
    else:
        facets = {**{name: view.state[name] for name in ("searchFilter", "orderByKey")}, "orderByAsc": "false"}
    return f"{page}?{urlencode({**facets, 'workflowType': 'machine_learning'})}"


def run_link(base: str, experiment_id: str, run_id: str) -> str:
    """The address of a run's own page; see `link`."""
    return f"{base}/#/experiments/{experiment_id}/runs/{run_id}"


def opens_views() -> bool:
    """Whether the UI of the MLflow that is installed opens views."""
    from importlib.metadata import version

    major, minor = version("mlflow").split(".")[:2]
    return (int(major), int(minor)) >= _SINCE


def _saved(tags: Mapping[str, str]) -> list[SavedView]:
    begin = TAG + _OURS
    found = [_read(key.removeprefix(TAG), value) for key, value in tags.items() if key.startswith(begin)]
    return sorted(found, key=lambda view: (view.updated, view.id), reverse=True)


def _read(own: str, value: str) -> SavedView:
    data = json.loads(value)
    text = data["state"]  # that of a view which a person has changed in the UI may be plain
    packed = text.startswith(_PACKED)
    state = json.loads(zlib.decompress(base64.b64decode(text.removeprefix(_PACKED))) if packed else text)
    return SavedView(own, data["name"], data["updatedAt"], data["createdAt"], state)


def _column(column: Column) -> str:
    kind, name = column
    return f"{kind}.`{name if kind == 'attributes' else to_key(name)}`"


def _width(name: str) -> int:
    """Pixels in which a column's name is read whole, unless it is very long."""
    return min(240, max(90, 32 + 7 * len(name)))


def _card(chart: Chart, number: int) -> dict[str, Any]:
    card = {"uuid": f"{_SECTION}-{number}", "type": _KINDS[chart.kind], "metricSectionId": _SECTION}
    card |= {"deleted": False, "isGenerated": False}
    names = [to_key(name) for _, name in chart.axes]
    if chart.kind == "parallel":
        params = [name for name, (kind, _) in zip(names, chart.axes, strict=True) if kind == "params"]
        return {**card, "selectedParams": params, "selectedMetrics": [n for n in names if n not in params]}
    if chart.kind == "scatter":
        x, y = ({"key": name, "type": _AXES[kind]} for name, (kind, _) in zip(names, chart.axes, strict=True))
        return {**card, "xaxis": x, "yaxis": y, "runsCountToCompare": 100}
    return {**card, "metricKey": names[0], "runsCountToCompare": 100, **(_LINE if chart.kind == "line" else {})}


_LINE = {"lineSmoothness": 0, "scaleType": "linear", "xAxisKey": "step", "xAxisScaleType": "linear"}
