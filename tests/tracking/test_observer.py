"""What goes to the tracking thread is plain: it could be written to a file and sent later."""

import numpy as np
import pytest

from rdpp.engine import RunSpec, train
from rdpp.tracking.observer import RunObserver


def odd(value, path=""):
    """The places of a payload that hold something else than numbers, text, lists, mappings and arrays."""
    if isinstance(value, dict):
        return [place for key, v in value.items() for place in odd(v, f"{path}.{key}")]
    if isinstance(value, list | tuple):
        return [place for i, v in enumerate(value) for place in odd(v, f"{path}[{i}]")]
    plain = value is None or type(value) in (bool, int, float, str) or isinstance(value, np.ndarray)
    return [] if plain else [f"{path}: {type(value).__name__}"]


@pytest.fixture(scope="module")
def records(held_out):
    found = []
    experiment = held_out.with_overrides({"training.epochs": 1, "heatmaps": 1, "keep_maps": True})
    train(
        RunSpec.of(experiment, "bolt", 1), observers=[RunObserver(lambda kind, payload: found.append((kind, payload)))]
    )
    return found


def test_every_kind_of_record_is_plain(records):
    kinds = {"params", "tags", "text", "series", "dataset", "table", "maps", "pictures"}
    assert {kind for kind, _ in records} == kinds
    assert [place for kind, payload in records for place in odd(payload, kind)] == []


def test_collected_batches_and_frames_are_saved_and_loaded(held_out, tmp_path):
    """An observer that takes over in the middle of an epoch logs all of its batches."""
    first, second = [], []
    saved = {}

    class Pair:
        """Hands events to one observer, and from the third batch on to another that was loaded from the first."""

        def __init__(self):
            self.one = RunObserver(lambda kind, payload: first.append((kind, payload)))
            self.two = RunObserver(lambda kind, payload: second.append((kind, payload)))
            self.started = None

        def __call__(self, event):
            self.started = self.started or event
            self.one(event)
            if getattr(event, "batch", 0) == 3 and "done" not in saved:
                saved["done"] = True
                self.one.save(tmp_path)
                self.two(self.started)
                self.two.load(tmp_path)
            elif "done" in saved:
                self.two(event)

    experiment = held_out.with_overrides({"training.epochs": 2, "heatmaps": 1})
    train(RunSpec.of(experiment, "bolt", 1), observers=[Pair()])

    def last_series(records):
        return [payload["points"] for kind, payload in records if kind == "series"][-2]

    timed = ("time_share", "training/")
    points = [[p for p in last_series(records) if not p[0].startswith(timed)] for records in (first, second)]
    assert points[0] == points[1]
    assert {step for name, _, step in points[1] if name == "loss/total"} == {3, 4}
    pictures = [
        next(payload["pictures"] for kind, payload in records if kind == "pictures") for records in (first, second)
    ]
    assert [p["epoch"] for p in pictures[0]] == [p["epoch"] for p in pictures[1]]


def test_each_epochs_pictures_have_that_epochs_scale_and_threshold(tiny):
    """Maps shrink as the student learns; on the last epoch's scale all earlier ones were solid yellow and found."""
    found = []
    observer = RunObserver(lambda kind, payload: found.append((kind, payload)))
    spec = RunSpec.of(tiny.with_overrides({"training.epochs": 3, "heatmaps": 2}), "bolt", 1)
    train(spec, observers=[observer])
    (pictures,) = (payload["pictures"] for kind, payload in found if kind == "pictures")
    scales = {picture["epoch"]: picture["scale"] for picture in pictures}
    assert len(set(scales.values())) == len(scales) > 1
    for picture in pictures:
        low, high, threshold = picture["scale"]
        assert picture["scale"] == scales[picture["epoch"]]
        assert picture["score"] == pytest.approx(picture["anomaly_map"].max(), rel=1e-3)
        assert np.median(picture["anomaly_map"]) < high  # not solid yellow
        assert low < threshold < 1.1 * high
