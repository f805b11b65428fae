"""Categories: scanned, checked, known by their contents."""

import hashlib
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rdpp.config import ConfigError
from rdpp.data import list_categories, scan
from rdpp.data.readers import MvtecAd


def save(path, size=(8, 6), value=100):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((size[1], size[0], 3), value, np.uint8)).save(path)


@pytest.fixture
def root(tmp_path):
    """One category `nut`: two images to train on; to test on one good, one bent (0.png) and one split (b.png)."""
    nut = tmp_path / "nut"
    for place in ("train/good/1.png", "train/good/0.png", "test/good/0.png", "test/bent/0.png", "test/split/b.png"):
        save(nut / place)
    save(nut / "ground_truth/bent/0_mask.png")
    save(nut / "ground_truth/split/b.png")
    return tmp_path


def test_what_is_found(root):
    category = scan(root, "nut")
    assert (category.name, category.root, category.reader) == ("nut", root, MvtecAd())
    assert [item.path for item in category.train] == [Path("nut/train/good/0.png"), Path("nut/train/good/1.png")]
    assert len(category.test) == 3
    assert category.has_test
    assert category == scan(root, "nut", "mvtec_ad", test=False)


def test_manifest_and_fingerprint_say_what_lies_there(root):
    category = scan(root, "nut")
    assert list(category.test_manifest) == [
        "nut/ground_truth/bent/0_mask.png",
        "nut/ground_truth/split/b.png",
        "nut/test/bent/0.png",
        "nut/test/good/0.png",
        "nut/test/split/b.png",
    ]
    assert list(category.train_manifest) == ["nut/train/good/0.png", "nut/train/good/1.png"]
    assert list(category.manifest) == [*category.test_manifest, *category.train_manifest]
    assert all(len(digest) == 64 for digest in category.manifest.values())
    assert scan(root, "nut").fingerprint == category.fingerprint


def test_a_copy_elsewhere_has_the_same_fingerprint(root, tmp_path):
    shutil.copytree(root / "nut", tmp_path / "copy" / "nut")
    assert scan(tmp_path / "copy", "nut").fingerprint == scan(root, "nut").fingerprint


def fingerprints(root):
    category = scan(root, "nut")
    return {"train": category.train_fingerprint, "test": category.test_fingerprint, "all": category.fingerprint}


@pytest.mark.parametrize(
    ("name", "half"),
    [("train/good/0.png", "train"), ("test/good/0.png", "test"), ("ground_truth/bent/0_mask.png", "test")],
)
def test_another_content_has_another_fingerprint(root, name, half):
    before = fingerprints(root)
    save(root / "nut" / name, value=101)
    after = fingerprints(root)
    assert {which for which in before if before[which] != after[which]} == {half, "all"}


def test_another_name_has_another_fingerprint(root):
    before = scan(root, "nut").fingerprint
    (root / "nut/train/good/1.png").rename(root / "nut/train/good/2.png")
    assert scan(root, "nut").fingerprint != before


def test_test_images_may_come_later(root):
    shutil.move(root / "nut/test", root / "later")
    category = scan(root, "nut", test=False)
    assert not category.has_test
    shutil.move(root / "later", root / "nut/test")
    assert category.has_test
    assert len(category.test) == 3


def test_no_root(tmp_path):
    with pytest.raises(ConfigError, match=r"no data folder at .*gone; give one in the MVTec AD layout with --data DIR"):
        scan(tmp_path / "gone", "nut", "mvtec_ad")
    with pytest.raises(ConfigError, match=r"no data folder at .*gone; give one with --data DIR"):
        scan(tmp_path / "gone", "nut")


def test_no_category(tmp_path):
    expected = "holds no category in the MVTec AD layout, which has CATEGORY/train/good, .*; give another folder with "
    with pytest.raises(ConfigError, match=f"{expected}--data DIR, or name its layout in data.reader: auto, mvtec_ad"):
        list_categories(tmp_path, "mvtec_ad")


def test_an_unknown_reader(root):
    with pytest.raises(ConfigError, match=r"unknown reader 'mvtec', did you mean 'mvtec_ad'\? choices: auto, "):
        scan(root, "nut", "mvtec")
    with pytest.raises(ConfigError, match="unknown reader 'folders', did you mean 'folder'"):
        list_categories(root, "folders")


def test_an_unknown_category(root):
    with pytest.raises(ConfigError, match=r"unknown category \(in .*\) 'nuts', did you mean 'nut'\? choices: nut"):
        scan(root, "nuts")


def test_no_good_training_images(root):
    (root / "nut/train/good").rename(root / "nut/train/goods")
    expected = (
        r"no good training images in .* for category 'nut' \(png, .*; the MVTec AD layout has CATEGORY/train/good"
    )
    with pytest.raises(ConfigError, match=expected):
        scan(root, "nut")


def test_no_test_images(root):
    shutil.rmtree(root / "nut/test")
    with pytest.raises(
        ConfigError, match=r"no test images in .* for category 'nut' .* has .*CATEGORY/test/DEFECT_TYPE"
    ):
        scan(root, "nut")


def test_a_mask_of_another_size(root):
    save(root / "nut/ground_truth/bent/0_mask.png", size=(6, 8))
    with pytest.raises(ConfigError, match=r"0_mask.png is \(6, 8\) pixels, its image \(8, 6\); they must agree"):
        scan(root, "nut")


@pytest.mark.parametrize("name", ["test/bent/0.png", "ground_truth/bent/0_mask.png"])
def test_a_file_that_is_no_image(root, name):
    (root / "nut" / name).write_bytes(b"no image")
    with pytest.raises(ConfigError, match=rf"cannot decode the image .*{name}; repair it or take it"):
        scan(root, "nut")


@pytest.fixture
def counted(monkeypatch):
    """The files hashed, and those whose header was read, in order."""
    hashed, opened = [], []
    digest, image = hashlib.file_digest, Image.open
    monkeypatch.setattr("hashlib.file_digest", lambda file, how: hashed.append(file.name) or digest(file, how))
    monkeypatch.setattr("PIL.Image.open", lambda path: opened.append(str(path)) or image(path))
    return hashed, opened


def settle(root):
    """Let every file look as if it had been there for long."""
    for path in root.rglob("*.png"):
        os.utime(path, (10**9, 10**9))


def test_scanning_again_hashes_nothing_and_opens_nothing(root, counted):
    settle(root)
    first = scan(root, "nut").manifest
    hashed, opened = counted
    assert sorted(hashed) == sorted(str(path) for path in root.rglob("*.png"))
    assert len(opened) == 4  # two masks and their images
    assert scan(root, "nut").manifest == first
    assert (len(hashed), len(opened)) == (7, 4)


def test_a_changed_file_is_hashed_and_checked_again(root, counted):
    settle(root)
    first = scan(root, "nut").manifest
    changed = root / "nut/ground_truth/bent/0_mask.png"
    save(changed, value=7)
    hashed, opened = counted
    hashed.clear()
    opened.clear()
    second = scan(root, "nut").manifest
    assert [name for name in first if first[name] != second[name]] == ["nut/ground_truth/bent/0_mask.png"]
    assert set(hashed) == set(opened) == {str(changed)}
    save(changed, size=(6, 8))
    with pytest.raises(ConfigError, match=r"0_mask.png is \(6, 8\) pixels, its image \(8, 6\); they must agree"):
        scan(root, "nut")
