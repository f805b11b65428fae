"""What is told, and what is refused, before the first run."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rdpp.config import ConfigError
from rdpp.engine import ImagesRead, grid, prepare, prepare_all, train


@pytest.fixture
def odd(tiny, tmp_path):
    """The tiny experiment on a copy of its data, and the category's folder."""
    shutil.copytree(Path(tiny.data.root) / "bolt", tmp_path / "data" / "bolt")
    changes = {"data.root": str(tmp_path / "data"), "data.cache": str(tmp_path / "cache"), "training.epochs": 1}
    return tiny.with_overrides({**changes, "training.batch_size": 5}), tmp_path / "data" / "bolt"


def told(experiment, objective=()):
    events = []
    prepare_all(grid(experiment), [events.append], objective)
    (event,) = events
    assert isinstance(event, ImagesRead)
    assert event.category == "bolt"
    return event.notes


def masks(folder):
    return sorted((folder / "ground_truth").rglob("*.png"))


def test_nothing_is_told_of_ordinary_data(odd):
    assert told(odd[0], ["pixel_aupro"]) == ()


def test_it_is_told_once_a_category(odd):
    events = []
    (odd[1] / "test/notes.txt").touch()
    prepare(grid(odd[0].with_overrides({"seeds": [1, 2]})) * 2, [events.append])
    assert [event.layout for event in events] == ["read as MVTec AD (data.reader: mvtec_ad)"]
    assert [event.notes for event in events] == [("passed over, suffix .txt: 1; first bolt/test/notes.txt",)]


def test_empty_and_vanishing_masks_are_told(odd):
    experiment, folder = odd
    first, second, *rest = masks(folder)
    Image.new("L", (64, 64)).save(first)
    thin = np.zeros((64, 64), np.uint8)
    thin[:, 20] = 255
    Image.fromarray(thin).save(second)
    for path in rest:
        Image.new("L", (64, 64), 255).save(path)
    count = 2 + len(rest)
    place = [f"bolt/test/{path.parent.name}/{path.stem.removesuffix('_mask')}.png" for path in (first, second)]
    notes = told(experiment.with_overrides({"data.image_size": 32}))
    assert notes[0].startswith(f"1 of {count} defective images have an empty mask, first {place[0]}; ")
    assert notes[1].startswith(
        f"1 of {count} defective images have a mask that vanishes at 32 x 32, first {place[1]}; "
    )


def test_without_masks_there_are_image_metrics_alone(odd):
    experiment, folder = odd
    shutil.rmtree(folder / "ground_truth")
    assert told(experiment, ["image_auroc"]) == ("no masks: image metrics only",)
    with pytest.raises(
        ConfigError, match=r"the objective goes by pixel_auroc, .* 'bolt' cannot give: the defective te"
    ):
        told(experiment, ["image_auroc", "pixel_auroc"])
    with pytest.raises(ConfigError, match=r"selection: official goes by pixel_auroc, pixel_aupro_per_image, which"):
        told(experiment.with_overrides({"evaluation.selection": "official"}))
    (spec,) = grid(experiment)
    metrics = train(spec).evaluation.metrics
    assert not np.isnan(metrics["image_auroc"])
    assert all(np.isnan(value) for name, value in metrics.items() if name.startswith("pixel"))


@pytest.mark.parametrize(("gone", "kind"), [("good", "good"), ("", "defective")])
def test_images_of_one_kind_alone(odd, gone, kind):
    experiment, folder = odd
    for path in (folder / "test").iterdir():
        if (path.name == "good") == (gone == "good"):
            shutil.rmtree(path)
    notes = told(experiment)
    assert f"no {kind} test images: metrics that need them are undefined (-)" in notes
    with pytest.raises(ConfigError, match=rf"the objective goes by image_auroc, .*: there are no {kind} test images"):
        told(experiment, ["image_auroc"])
    with pytest.raises(ConfigError, match=f"evaluation.selection: official .* there are no {kind} test images; go by"):
        told(experiment.with_overrides({"evaluation.selection": "official"}))
    (spec,) = grid(experiment)
    assert np.isnan(train(spec).evaluation.metrics["image_auroc"])


def test_masks_that_all_vanish_undo_pixel_metrics(odd):
    experiment, folder = odd
    for path in masks(folder):
        Image.new("L", (64, 64)).save(path)
    with pytest.raises(ConfigError, match=r"goes by pixel_aupro, .*: no mask has a defective pixel at 64 x 64"):
        told(experiment, ["pixel_aupro"])


def test_images_of_more_than_8_bits_that_look_dark_are_told(odd):
    experiment, folder = odd
    for path in (folder / "train/good").iterdir():
        twelve = np.asarray(Image.open(path).convert("L")).astype(np.uint16) * 16
        Image.fromarray(twelve).save(path)
    notes = told(experiment)
    assert notes[0].startswith("the 16-bit grey images use 6.")
    assert "set data.white to it" in notes[0]
    assert notes[1].startswith("images of several depths: ")
    assert len(told(experiment.with_overrides({"data.white": 4095}))) == 1


def test_held_out_images_are_what_the_objective_is_checked_on(held_out, tmp_path):
    shutil.copytree(Path(held_out.data.root) / "bolt", tmp_path / "data" / "bolt")
    shutil.rmtree(tmp_path / "data/bolt/ground_truth")
    changes = {"data.root": str(tmp_path / "data"), "data.cache": str(tmp_path / "cache")}
    assert told(held_out.with_overrides(changes), ["pixel_aupro"]) == ("no masks: image metrics only",)
