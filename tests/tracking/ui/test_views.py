"""Views of MLflow's UI: their tags in the MLflow experiment, and the links that open them."""

import json
from contextlib import nullcontext
from urllib.parse import parse_qs

import pytest

from rdpp.runs import DURATION, Chart, View
from rdpp.tracking.store.mlflow_store import Store
from rdpp.tracking.tree import MlflowTree
from rdpp.tracking.ui import views as module
from rdpp.tracking.ui.views import MOST, TAG, link, saved_views, state_of, tag_value, write_view

OBJECTIVE = ("metrics", "objective")
RATE = ("params", "optimizer.lr")
CHARTS = (
    Chart("parallel", (RATE, OBJECTIVE)),
    Chart("scatter", (RATE, OBJECTIVE)),
    Chart("line", (("metrics", "loss/total"),)),
    Chart("bar", (OBJECTIVE,)),
)
TRIALS = View("lr: trials", "trial", OBJECTIVE, (OBJECTIVE, RATE, DURATION), CHARTS)


@pytest.fixture
def store(new_store, tmp_path):
    return Store(new_store(tmp_path / "mlflow.db"))


def write(store, view=TRIALS, node="n", root="r", now=1):
    write_view(store, view, node, root, now, nullcontext)


def tags(store):
    return store.client.get_experiment(store.experiment_id).tags


def test_a_view_survives_its_record():
    assert View.from_data(json.loads(json.dumps(TRIALS.to_data()))) == TRIALS


def test_the_state_filters_sorts_and_chooses_columns():
    state = state_of(TRIALS, "r")
    assert state["searchFilter"] == "tags.root = 'r' and tags.level = 'trial'"
    assert (state["orderByKey"], state["orderByAsc"]) == ("metrics.`objective`", False)
    columns = ["metrics.`objective`", "params.`optimizer.lr`", "attributes.`Duration`"]
    assert state["selectedColumns"] == state["columnOrder"] == list(state["columnWidths"]) == columns


def test_charts_are_the_uis_cards():
    parallel, scatter, line, bar = state_of(TRIALS, "r")["compareRunCharts"]
    assert (parallel["type"], parallel["selectedParams"]) == ("PARALLEL", ["optimizer.lr"])
    assert parallel["selectedMetrics"] == ["objective"]
    assert scatter["xaxis"] == {"key": "optimizer.lr", "type": "PARAM"}
    assert scatter["yaxis"] == {"key": "objective", "type": "METRIC"}
    assert (line["type"], line["metricKey"], bar["type"], bar["metricKey"]) == (
        "LINE",
        "loss/total",
        "BAR",
        "objective",
    )
    assert len({card["uuid"] for card in (parallel, scatter, line, bar)}) == 4


def test_names_are_written_as_mlflow_has_them():
    odd = View("odd", "run", ("metrics", "test/loss (a)"), (("metrics", "test/loss (a)"),))
    assert state_of(odd, "r")["orderByKey"] == "metrics.`test/loss _x28_a_x29_`"


def test_a_view_is_read_as_it_was_written_and_replaced_in_its_place(store):
    write(store, now=1)
    write(store, now=5)
    (view,) = saved_views(store)
    assert (view.name, view.created, view.updated, view.root) == ("lr: trials", 1, 5, "r")
    assert view.state == state_of(TRIALS, "r")
    assert len(tags(store)[TAG + view.id]) < 5000  # what older servers take


def test_the_oldest_of_ours_makes_room_and_a_persons_own_stays(store):
    for number in range(3):
        store.client.set_experiment_tag(store.experiment_id, f"{TAG}own-{number}", "{}")
    for number in range(MOST):
        write(store, node=f"n{number}", now=number)
    kept = [key for key in tags(store) if key.startswith(TAG)]
    assert len(kept) == MOST
    assert sum("own-" in key for key in kept) == 3
    assert {view.id for view in saved_views(store)} == {f"rdpp-n{number}-trial" for number in range(3, MOST)}
    write(store, node="n3", now=99)  # one that is there needs no room
    assert len(saved_views(store)) == MOST - 3


def test_a_view_that_a_person_changed_in_the_ui_is_read(store):
    write(store)
    value = json.dumps({"name": "mine", "createdAt": 1, "updatedAt": 2, "state": json.dumps({"orderByKey": "x"})})
    store.client.set_experiment_tag(store.experiment_id, f"{TAG}rdpp-n-trial", value)
    (view,) = saved_views(store)
    assert (view.name, view.root) == ("mine", None)


def test_a_view_that_mlflow_would_not_take_is_an_error(monkeypatch):
    monkeypatch.setattr(module, "_LONGEST", 100)
    with pytest.raises(ValueError, match=r"the view a has \d+ characters; MLflow takes 100"):
        tag_value("a", 1, 1, state_of(TRIALS, "r"))


def test_the_link_names_the_view_and_nothing_that_would_switch_it_off(store, monkeypatch):
    write(store)
    (view,) = saved_views(store)
    query = parse_qs(link("http://h", "7", view).partition("?")[2])
    assert query == {"viewStateShareKey": ["rdpp-n-trial"], "workflowType": ["machine_learning"]}
    monkeypatch.setattr("importlib.metadata.version", lambda name: "3.14.1")
    address, _, query = link("http://h", "7", view).partition("?")
    assert address == "http://h/#/experiments/7/runs"
    assert parse_qs(query) == {
        "searchFilter": ["tags.root = 'r' and tags.level = 'trial'"],
        "orderByKey": ["metrics.`objective`"],
        "orderByAsc": ["false"],
        "workflowType": ["machine_learning"],
    }


def test_a_tree_writes_views_with_the_roots_own_id(store):
    with MlflowTree(store=store) as tree:
        node = tree.open("lr", level="study", key="k", parent=None, tags={})
        tree.save_view(node, TRIALS)
        run_id = tree.run_id(node)
    (view,) = saved_views(store)
    assert (view.root, view.id) == (run_id, f"rdpp-{node.id}-trial")
