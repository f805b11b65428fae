"""Images as the network gets them: official values, one decoding, many readers."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from rdpp.config import ConfigError
from rdpp.data import Category, Item, Reading, load_test, load_train, scan
from rdpp.data.resizing import read_image, read_mask
from rdpp.models.teacher import IMAGENET_MEAN, IMAGENET_STD


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def random_pixels(seed, *shape):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def bilinear(image, size):
    """(H, W, C) float64 to size: half-pixel centres, borders repeated, no antialiasing. The textbook's form."""
    for axis, wanted in enumerate(size):
        given = image.shape[axis]
        places = np.clip((np.arange(wanted) + 0.5) * given / wanted - 0.5, 0, given - 1)
        low = np.floor(places).astype(int)
        high = np.minimum(low + 1, given - 1)
        share = (places - low).reshape([-1 if a == axis else 1 for a in range(image.ndim)])
        image = image.take(low, axis) * (1 - share) + image.take(high, axis) * share
    return image


def test_official_preprocessing(golden, real_data):
    expected = golden("official_preprocessing.npz")
    image = read_image(real_data / "screw/test/scratch_head/000.png", (256, 256))
    normalised = (image - np.float32(IMAGENET_MEAN)[:, None, None]) / np.float32(IMAGENET_STD)[:, None, None]
    np.testing.assert_allclose(normalised, expected["image"], rtol=0, atol=1e-6)
    mask = read_mask([real_data / "screw/ground_truth/scratch_head/000_mask.png"], (256, 256))
    np.testing.assert_array_equal(mask, expected["mask"][0] == 1)


@pytest.mark.parametrize("given", [(90, 70), (20, 30), (64, 32)])
def test_images_are_resized_as_floats_without_antialiasing(tmp_path, given):
    pixels = random_pixels(0, *given, 3)
    found = read_image(save(tmp_path / "a.png", pixels), (64, 32))
    assert (found.shape, found.dtype) == ((3, 64, 32), np.float32)
    np.testing.assert_allclose(found.transpose(1, 2, 0), bilinear(pixels / 255, (64, 32)), rtol=0, atol=1e-6)


@pytest.mark.parametrize("mode", ["L", "RGBA", "P"])
def test_images_of_other_modes_become_rgb(tmp_path, mode):
    picture = Image.fromarray(random_pixels(1, 32, 32, 3)).convert(mode)
    picture.save(tmp_path / "a.png")
    expected = np.asarray(picture.convert("RGB")).transpose(2, 0, 1) / 255
    np.testing.assert_allclose(read_image(tmp_path / "a.png", (32, 32)), expected, rtol=0, atol=1e-6)


def test_masks_are_resized_with_antialiasing_and_cut_above_a_half(tmp_path):
    mask = np.zeros((4, 8), np.uint8)
    mask[:, 1:3] = mask[:2, 5:8] = 255
    path = save(tmp_path / "m.png", mask)
    np.testing.assert_array_equal(read_mask([path], (4, 8)), mask > 0)
    soft = np.asarray(Image.fromarray(mask).resize((4, 2), Image.Resampling.BILINEAR)) / 255
    found = read_mask([path], (2, 4))
    assert (found.shape, found.dtype) == ((2, 4), bool)
    np.testing.assert_array_equal(found, soft > 0.5)
    assert ((soft > 0.1) & (soft < 0.5)).any()


def test_a_thin_line_vanishes_from_a_mask_and_a_broad_one_keeps_its_width(tmp_path):
    mask = np.zeros((64, 64), np.uint8)
    mask[:, 8] = mask[:, 32:48] = 255
    found = read_mask([save(tmp_path / "m.png", mask)], (16, 16))
    np.testing.assert_array_equal(np.flatnonzero(found[8]), [8, 9, 10, 11])


def test_exactly_a_half_is_not_defective(tmp_path):
    grey = np.full((32, 32), 127, np.uint8)
    grey[:, 16:] = 128
    np.testing.assert_array_equal(read_mask([save(tmp_path / "m.png", grey)], (32, 32)), grey == 128)


@pytest.mark.parametrize("read", [read_image, lambda path, size: read_mask([path], size)])
@pytest.mark.parametrize("broken", [b"", b"no image", None])
def test_what_cannot_be_decoded_is_named(tmp_path, read, broken):
    path = save(tmp_path / "a.png", random_pixels(0, 40, 40, 3))
    path.write_bytes(path.read_bytes()[:2000] if broken is None else broken)
    with pytest.raises(
        ConfigError, match=r"cannot decode the image .*a.png; repair it or take it \(and its mask\) out"
    ):
        read(path, (32, 32))


@pytest.fixture
def category(tmp_path):
    """Images of 50 x 40 pixels: three to train on, one good and one cut to test on."""
    nut = tmp_path / "data" / "nut"
    places = ["train/good/0.png", "train/good/1.png", "train/good/2.png", "test/cut/0.png", "test/good/0.png"]
    for seed, place in enumerate(places):
        save(nut / place, random_pixels(seed, 40, 50, 3))
    mask = np.zeros((40, 50), np.uint8)
    mask[10:30, 5:45] = 255
    save(nut / "ground_truth/cut/0_mask.png", mask)
    return scan(tmp_path / "data", "nut")


SIZE = (32, 64)


def entries(cache):
    return [path for path in cache.iterdir() if not path.name.startswith(".")]


def contents(folder):
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*") if path.is_file()}


def test_splits_hold_images_masks_labels_and_types(category, tmp_path):
    train, test = (load(category, SIZE, tmp_path / "cache") for load in (load_train, load_test))
    assert (len(train), train.images.shape, train.images.dtype) == (3, (3, 3, *SIZE), np.float32)
    assert not train.masks.any()
    assert not train.labels.any()
    assert test.labels.tolist() == [True, False]
    assert test.defect_types == ["cut", "good"]
    assert test.masks.shape == (2, *SIZE)
    for split in (train, test):
        for image, mask, item in zip(split.images, split.masks, split.items, strict=True):
            np.testing.assert_array_equal(image, read_image(split.root / item.path, SIZE))
            masks = [split.root / path for path in item.masks]
            np.testing.assert_array_equal(mask, read_mask(masks, SIZE) if masks else np.zeros(SIZE))
    assert test.masks[0].any()


def test_what_is_cached_is_used_and_not_touched(category, tmp_path, monkeypatch):
    first = load_test(category, SIZE, tmp_path / "cache")
    before = contents(tmp_path / "cache")
    assert {path.name for path in before if path.suffix != ".lock"} == {
        "images.npy",
        "masks.npy",
        "facts.json",
        "digests.json",
    }

    def refuse(path, reading):
        raise AssertionError("decoded again")

    monkeypatch.setattr("rdpp.data.cache.decode", refuse)
    again = load_test(scan(category.root, "nut"), SIZE, tmp_path / "cache")
    np.testing.assert_array_equal(again.images, first.images)
    np.testing.assert_array_equal(again.masks, first.masks)
    assert contents(tmp_path / "cache") == before


def test_other_sizes_splits_and_contents_have_entries_of_their_own(category, tmp_path):
    cache = tmp_path / "cache"
    load_train(category, SIZE, cache)
    load_train(category, (64, 32), cache)
    load_test(category, SIZE, cache)
    assert len(entries(cache)) == 3
    save(category.root / "nut/train/good/1.png", random_pixels(77, 40, 50, 3))
    changed = load_train(scan(category.root, "nut"), SIZE, cache)
    assert len(entries(cache)) == 4
    np.testing.assert_array_equal(changed.images[1], read_image(category.root / "nut/train/good/1.png", SIZE))


def test_a_mask_of_another_content_has_an_entry_of_its_own(category, tmp_path):
    before = load_test(category, SIZE, tmp_path / "cache")
    mask = np.zeros((40, 50), np.uint8)
    mask[20:40, 5:45] = 255
    path = save(category.root / "nut/ground_truth/cut/0_mask.png", mask)
    after = load_test(scan(category.root, "nut"), SIZE, tmp_path / "cache")
    np.testing.assert_array_equal(after.masks[0], read_mask([path], SIZE))
    assert (after.masks[0] != before.masks[0]).any()
    np.testing.assert_array_equal(after.images, before.images)
    assert after.key != before.key


@dataclass(frozen=True)
class Listed:
    """A reader of the test items that it was given."""

    items: tuple[Item, ...]
    title, layout = "listed", "nothing in particular"

    def test(self, root, category):
        return self.items


def test_several_masks_of_an_image_are_joined(tmp_path):
    left, right = np.zeros((2, 32, 32), np.uint8)
    left[4:20, 2:10] = right[12:28, 8:24] = 255
    for name, pixels in {"image": random_pixels(0, 32, 32, 3), "left": left, "right": right}.items():
        save(tmp_path / "data" / f"{name}.png", pixels)

    def loaded(*masks):
        item = Item(Path("image.png"), "cut", True, tuple(map(Path, masks)))
        return load_test(Category("nut", tmp_path / "data", Listed((item,))), (32, 32), tmp_path / "cache")

    both = loaded("left.png", "right.png")
    np.testing.assert_array_equal(both.masks[0], (left > 0) | (right > 0))
    np.testing.assert_array_equal(loaded("right.png").masks[0], right > 0)
    assert len({both.key, loaded("left.png").key, loaded("right.png").key}) == 3


def test_joined_masks_are_resized_as_one_mask_would_be(tmp_path):
    whole = np.zeros((40, 40), np.uint8)
    whole[7:29, 5:34] = 255
    halves = [whole.copy(), whole.copy()]
    halves[0][:, 17:] = halves[1][:, :17] = 0
    paths = [save(tmp_path / f"{i}.png", half) for i, half in enumerate(halves)]
    expected = read_mask([save(tmp_path / "whole.png", whole)], (32, 32))
    np.testing.assert_array_equal(read_mask(paths, (32, 32)), expected)


@pytest.mark.parametrize("masks", [(), None])
def test_test_images_without_known_label_are_refused(tmp_path, masks):
    save(tmp_path / "image.png", random_pixels(0, 32, 32, 3))
    unknown = Category("nut", tmp_path, Listed((Item(Path("image.png"), "cut", None, masks),)))
    with pytest.raises(ConfigError, match=r"does not say whether .*image.png is defective, which every evaluation"):
        load_test(unknown, (32, 32), tmp_path / "cache")


def test_a_data_set_may_have_no_masks_at_all(tmp_path):
    save(tmp_path / "image.png", random_pixels(0, 32, 32, 3))
    items = (Item(Path("image.png"), "cut", True, None), Item(Path("image.png"), "good", False))
    split = load_test(Category("nut", tmp_path, Listed(items)), (32, 32), tmp_path / "cache")
    assert not split.has_masks
    assert not split.masks.any()
    assert len(split.empty) == len(split.vanished) == 0


def test_empty_and_vanishing_masks_are_told_apart(tmp_path):
    save(tmp_path / "image.png", random_pixels(0, 128, 128, 3))
    masks = np.zeros((3, 128, 128), np.uint8)
    masks[1, 60, 60] = masks[2, 32:96, 32:96] = 255
    for i, mask in enumerate(masks):
        save(tmp_path / f"{i}.png", mask)
    items = tuple(Item(Path("image.png"), "cut", True, (Path(f"{i}.png"),)) for i in range(3))
    split = load_test(Category("nut", tmp_path, Listed(items)), (32, 32), tmp_path / "cache")
    assert split.has_masks
    assert split.empty.tolist() == [0]
    assert split.vanished.tolist() == [1]
    assert split.facts.mask_pixels == (0, 1, 64 * 64)


@pytest.mark.parametrize("reading", [Reading(white=4095), Reading(mask_threshold=0.3), Reading(fit="pad")])
def test_another_way_of_reading_has_an_entry_of_its_own(category, tmp_path, reading):
    keys = {load_test(category, SIZE, tmp_path / "cache", how).key for how in (Reading(), reading)}
    assert len(keys) == 2
    assert load_test(category, SIZE, tmp_path / "cache", Reading(max_megapixels=1)).key in keys


def test_names_that_are_not_utf8_are_read(category, tmp_path):
    before = load_train(category, SIZE, tmp_path / "cache")
    folder = category.root / "nut/train/good"
    (folder / "2.png").rename(folder / os.fsdecode(b"2\xff.png"))
    after = load_train(scan(category.root, "nut"), SIZE, tmp_path / "cache")
    np.testing.assert_array_equal(after.images, before.images)
    assert after.key != before.key


def test_writing_to_a_split_does_not_reach_the_cache(category, tmp_path):
    split = load_train(category, SIZE, tmp_path / "cache")
    kept = split.images.copy()
    torch.from_numpy(split.images).zero_()
    np.testing.assert_array_equal(load_train(category, SIZE, tmp_path / "cache").images, kept)


def test_a_failed_decoding_leaves_nothing_behind(category, tmp_path):
    path = category.root / "nut/train/good/1.png"
    path.write_bytes(b"no image")
    with pytest.raises(ConfigError, match=r"cannot decode the image .*train/good/1.png"):
        load_train(scan(category.root, "nut"), SIZE, tmp_path / "cache")
    assert [path.suffix for path in (tmp_path / "cache").rglob("*") if path.is_file()] == [".lock"]


def test_a_cache_that_cannot_be_written_is_no_silent_success(category, tmp_path, monkeypatch):
    def refuse(scratch, folder):
        raise PermissionError("read-only")

    monkeypatch.setattr(os, "rename", refuse)
    with pytest.raises(ConfigError, match=r"cache cannot be written \(read-only\); set data.cache"):
        load_train(category, SIZE, tmp_path / "cache")


def test_a_cache_that_cannot_be_written_names_the_setting(tiny_data, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"file cannot be written \(.+\); set data.cache to a folder for decoded"):
        load_train(scan(tiny_data, "bolt"), (32, 32), tmp_path / "file")


def test_a_ready_cache_is_read_where_nothing_can_be_written(tiny_data, tmp_path, monkeypatch):
    first = load_train(scan(tiny_data, "bolt"), (32, 32), tmp_path)
    monkeypatch.setattr("rdpp.data.cache.FileLock", None)
    monkeypatch.setattr("pathlib.Path.mkdir", None)
    np.testing.assert_array_equal(load_train(scan(tiny_data, "bolt"), (32, 32), tmp_path).images, first.images)


def test_a_category_of_a_long_name(tiny_data, tmp_path):
    name = "划痕" * 40  # 240 bytes
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / name).symlink_to(tiny_data / "bolt")
    assert len(load_train(scan(tmp_path / "data", name), (32, 32), tmp_path / "cache")) == 5
