"""The same test image under each variant."""

import base64
import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from rdpp.comparison.image_row import ImageRow
from rdpp.comparison.logged_pictures import logged_rows
from rdpp.comparison.search import RunSet, TrainedRun
from rdpp.comparison.shown import MOST_VARIANTS, shown_categories, shown_runs
from rdpp.config import ConfigError
from rdpp.data import Split, load_test, scan
from rdpp.tracking.artifacts.figures import Scale, colour, outlined, picture
from rdpp.tracking.artifacts.maps import StoredMaps, load_maps
from rdpp.tracking.conventions.tags import DATA_MANIFEST, HEATMAPS_KEPT, KEEP_MAPS
from rdpp.tracking.reading.recorded import configuration
from rdpp.tracking.store.mlflow_store import Store

_DEFECTIVE, _GOOD = 3, 1
"""Images a category."""
MOST_MAPS = 12
"""Variants a category: each image is shown under each."""
_SIDE = 192
"""Largest height or width of a picture, in pixels."""


def image_rows(store: Store, run_set: RunSet) -> tuple[list[ImageRow], list[str]]:
    """For each category, with the first seed that most variants have: the defective images on whose rank among the
    test images the variants disagree most, and the good image they rank highest. Of more than MOST_MAPS variants the
    baseline is shown and those that are highest in the headline metrics. Where no anomaly maps are stored, the
    pictures that the runs logged: see `logged_rows`.

    Returns:
        The rows, and for each category without any the reason.
    """
    from scipy.stats import rankdata  # takes a second, which `rdpp compare` should not wait for

    rows: list[ImageRow] = []
    missing: list[str] = []
    for category in shown_categories(run_set):
        of_category = [run for run in run_set.runs if run.category == category]
        runs = shown_runs(run_set, [run for run in of_category if _may_have_maps(run)], MOST_MAPS)
        maps = {name: stored for name, run in runs.items() if (stored := load_maps(store, run.run_id)) is not None}
        if not maps:
            pictured = [run for run in of_category if run.tags.get(HEATMAPS_KEPT) != "False"]
            logged = logged_rows(store, category, shown_runs(run_set, pictured, MOST_VARIANTS))
            rows += logged
            missing += [] if logged else [f"{category}: no run logged heatmaps, or stored its anomaly maps"]
            continue
        first = next(name for name in runs if name in maps)
        try:
            split = _split(store, runs[first], category)
        except ConfigError as error:
            missing.append(f"{category}: {error}")
            continue
        unlike = [name for name in maps if not _is_of(split, runs[name], runs[first], maps[name])]
        if unlike:
            missing.append(
                f"{category}: maps of other test files or of another size than those of {first}: {', '.join(unlike)}"
            )
        maps = {name: stored for name, stored in maps.items() if name not in unlike}
        ranks = {name: rankdata(stored.image_scores) / len(stored.image_scores) for name, stored in maps.items()}
        rows += [_row(category, split, index, maps, ranks) for index in _telling(split, ranks)]
    return rows, missing


def _may_have_maps(run: TrainedRun) -> bool:
    """A run's tag says whether it stored them; they may have been deleted since."""
    return run.tags.get(KEEP_MAPS) != "False"


def _split(store: Store, run: TrainedRun, category: str) -> Split:
    data = configuration(store, run.run_id).data
    found = scan(Path(data.root), category, data.layout)
    if found.fingerprint != run.tags[DATA_MANIFEST]:
        raise ConfigError(f"the images of {category} in {found.root} are no longer those that were tested")
    return load_test(found, data.size, Path(data.cache), data.reading)


def _is_of(split: Split, run: TrainedRun, first: TrainedRun, stored: StoredMaps) -> bool:
    """Whether a run's maps are of the images in the split, which are those of the first run."""
    same = run.tags[DATA_MANIFEST] == first.tags[DATA_MANIFEST]
    return same and stored.anomaly_maps.shape == split.masks.shape


def _telling(split: Split, ranks: Mapping[str, np.ndarray]) -> list[int]:
    table = np.stack(list(ranks.values()))
    defective, good = np.flatnonzero(split.labels), np.flatnonzero(~split.labels)
    disagreed = defective[np.argsort(-np.ptp(table[:, defective], axis=0), kind="stable")]
    suspected = good[np.argsort(-table[:, good].mean(0), kind="stable")]
    return [int(i) for i in (*disagreed[:_DEFECTIVE], *suspected[:_GOOD])]


def _row(
    category: str, split: Split, index: int, maps: Mapping[str, StoredMaps], ranks: Mapping[str, np.ndarray]
) -> ImageRow:
    item, mask = split.items[index], split.masks[index]
    pictures = []
    for name, stored in maps.items():
        scale = Scale.of_maps(stored.anomaly_maps, stored.image_scores, stored.labels)
        rank = f"above {100 * ranks[name][index]:.0f} % of images"
        pictures.append((name, rank, _uri(outlined(colour(stored.anomaly_maps[index], scale), mask))))
    caption = f"{item.defect_type}/{item.path.name}"
    return ImageRow(category, caption, _uri(outlined(picture(split, index), mask)), tuple(pictures))


def _uri(pixels: np.ndarray) -> str:
    image = Image.fromarray(pixels)
    image.thumbnail((_SIDE, _SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return data_uri(buffer.getvalue())


def data_uri(png: bytes) -> str:
    """A PNG as part of a page."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
