"""The pictures that runs logged, beside each other: for categories of which no anomaly maps are stored."""

from collections.abc import Mapping, Sequence
from typing import Any

from rdpp.comparison.image_row import ImageRow
from rdpp.comparison.search import TrainedRun
from rdpp.tracking.artifacts.gallery import read_gallery
from rdpp.tracking.conventions.artifacts import GALLERY
from rdpp.tracking.store.mlflow_store import Store

_OF_KINDS = {("miss", "hit"): 3, ("false_alarm",): 1}
"""Images a category."""
_NONE = "logged no heatmap of it"


def logged_rows(store: Store, category: str, runs: Mapping[str, TrainedRun]) -> list[ImageRow]:
    """The test images of which most variants logged a heatmap, each under all variants: three defective ones and a
    good one. Where no two variants logged the same image, each variant's worst miss.

    Args:
        store: where the runs are.
        category: of all runs.
        runs: by variant.

    Returns:
        Nothing where no run has a gallery.
    """
    pages = {name: store.read_text(run.run_id, GALLERY) for name, run in runs.items()}
    galleries = {name: _of_test_images(page) for name, page in pages.items() if page is not None}
    rows = [
        _row(category, galleries, title)
        for kinds, count in _OF_KINDS.items()
        for title in _shared(galleries, kinds, 2 if len(galleries) > 1 else 1)[:count]
    ]
    return rows or [_worst_miss(category, name, pictures) for name, pictures in galleries.items() if pictures]


def _of_test_images(page: str) -> dict[str, Any]:
    """Pictures by title, each with its frame of the chosen epoch; misses first, the worst of them first."""
    gallery = read_gallery(page)
    found = {}
    for picture in gallery["pictures"]:
        if not picture["held_out"]:
            frames = [frame for frame in picture["frames"] if frame["epoch"] == gallery["chosen"]]
            found[picture["title"]] = {**picture, "shown": (frames or picture["frames"])[-1]}
    return found


def _shared(galleries: Mapping[str, Mapping[str, Any]], kinds: Sequence[str], least: int) -> list[str]:
    """Titles that at least so many variants have, those of the most variants first."""
    counts: dict[str, int] = {}
    for pictures in galleries.values():
        for title, picture in pictures.items():
            counts[title] = counts.get(title, 0) + (picture["kind"] in kinds)
    return sorted((title for title in counts if counts[title] >= least), key=lambda title: -counts[title])


def _row(category: str, galleries: Mapping[str, Mapping[str, Any]], title: str) -> ImageRow:
    having = {name: pictures[title] for name, pictures in galleries.items() if title in pictures}
    shown = {name: picture["shown"] for name, picture in having.items()}
    maps = (
        (name, shown[name]["found"], shown[name]["map"]) if name in shown else (name, _NONE, "") for name in galleries
    )
    return ImageRow(category, title, next(iter(having.values()))["image"], tuple(maps))


def _worst_miss(category: str, name: str, pictures: Mapping[str, Any]) -> ImageRow:
    title = next(iter(pictures))
    return _row(category, {name: pictures}, title)
