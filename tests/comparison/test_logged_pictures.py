"""Heatmaps of a report from the galleries that runs logged."""

import dataclasses

import pytest
from variants import with_copies

from rdpp.comparison.logged_pictures import logged_rows
from rdpp.comparison.map_grid import image_rows
from rdpp.comparison.search import find_runs
from rdpp.comparison.shown import MOST_VARIANTS
from rdpp.tracking.artifacts.gallery import Frame, gallery_page
from rdpp.tracking.conventions.artifacts import GALLERY
from rdpp.tracking.store.mlflow_store import Store


def page(variant, titles, chosen=2):
    """A gallery with a test image of each title, whose kind is in it, at two epochs; and a held-out one."""
    frames = [
        Frame(
            f"{kind}/{rank}_{name}",
            f"{name}/0.png",
            epoch,
            f"{variant} {epoch}",
            "",
            f"map {variant} {epoch}",
            f"image {name}",
        )
        for rank, (kind, name) in enumerate(titles)
        for epoch in (1, 2)
    ]
    drawn = Frame("held_out_miss/1_drawn", "drawn/0.png", 1, "", "", "", "")
    return gallery_page([*frames, drawn], variant, chosen)


@pytest.fixture
def logged(store_uri):
    """Runs with the galleries of `page`, by variant."""
    store = Store(store_uri)

    def log(titles, **more):
        runs = {}
        for variant, own in titles.items():
            run_id = store.start_run(variant, tags={"level": "pictured"})
            if own is not None:
                store.client.log_text(run_id, page(variant, own, **more), GALLERY)
            runs[variant] = dataclasses.replace(RUN, run_id=run_id, variant=variant)
        return store, runs

    return log


@dataclasses.dataclass(frozen=True)
class Run:
    run_id: str = ""
    variant: str = ""


RUN = Run()
HOLE, RUST, BENT, GOOD = ("miss", "hole"), ("miss", "rust"), ("hit", "bent"), ("false_alarm", "good")


def test_images_that_most_variants_logged_stand_under_each(logged):
    store, runs = logged({"a": [HOLE, RUST, GOOD], "b": [RUST, BENT, GOOD], "c": [RUST, BENT], "d": None})
    rows = logged_rows(store, "bolt", runs)
    assert [(row.category, row.caption) for row in rows] == [("bolt", f"{n}/0.png") for n in ("rust", "bent", "good")]
    assert rows[0].picture == "image rust"
    assert rows[0].maps == (("a", "a 2", "map a 2"), ("b", "b 2", "map b 2"), ("c", "c 2", "map c 2"))
    assert rows[1].maps[0] == ("a", "logged no heatmap of it", "")
    assert [uri for _, _, uri in rows[1].maps] == ["", "map b 2", "map c 2"]


def test_the_chosen_epoch_is_shown(logged):
    store, runs = logged({"a": [HOLE], "b": [HOLE]}, chosen=1)
    ((_, caption, uri), _) = logged_rows(store, "bolt", runs)[0].maps
    assert (caption, uri) == ("a 1", "map a 1")


def test_three_defective_images_and_a_good_one_at_most(logged):
    many = [("miss", f"hole{number}") for number in range(5)] + [
        ("false_alarm", f"good{number}") for number in range(3)
    ]
    store, runs = logged({"a": many, "b": many})
    captions = [row.caption for row in logged_rows(store, "bolt", runs)]
    assert captions == ["hole0/0.png", "hole1/0.png", "hole2/0.png", "good0/0.png"]


def test_without_a_shared_image_each_variants_worst_miss_is_shown(logged):
    store, runs = logged({"a": [HOLE, BENT], "b": [RUST]})
    rows = logged_rows(store, "bolt", runs)
    assert [(row.caption, [name for name, _, _ in row.maps]) for row in rows] == [
        ("hole/0.png", ["a"]),
        ("rust/0.png", ["b"]),
    ]
    store, runs = logged({"a": None})
    assert logged_rows(store, "bolt", runs) == []


def test_they_are_shown_where_no_maps_are_stored(small, monkeypatch):
    _, store, _ = small
    many = with_copies(find_runs(store, ["small"]), "ot", 9)
    runs = [dataclasses.replace(run, tags={**run.tags, "keep_maps": "False"}) for run in many.runs]
    many = dataclasses.replace(many, runs=tuple(runs))
    monkeypatch.setattr(type(store), "read_text", lambda self, run_id, name: page(run_id, [HOLE]))
    rows, missing = image_rows(store, many)
    assert missing == []
    assert [len(row.maps) for row in rows] == [MOST_VARIANTS]
    monkeypatch.setattr(type(store), "read_text", lambda *arguments: None)
    assert image_rows(store, many) == ([], ["bolt: no run logged heatmaps, or stored its anomaly maps"])
