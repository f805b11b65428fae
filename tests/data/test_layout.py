"""Folders to manifests: what is found, and what is refused."""

import shutil

import numpy as np
import pytest
from PIL import Image

from rdpp.config import ConfigError
from rdpp.data import list_categories, scan


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
    save(nut / "ground_truth/split/b.png")  # MVTec AD's name, and the image's own
    return tmp_path


def test_what_is_found(root):
    category = scan(root, "nut")
    assert (category.name, category.folder) == ("nut", root / "nut")
    assert [item.path.name for item in category.train] == ["0.png", "1.png"]
    assert not any(item.label or item.mask for item in category.train)
    found = [(item.path.parent.name, item.defect_type, item.label) for item in category.test]
    assert found == [("bent", "bent", True), ("good", "good", False), ("split", "split", True)]


def test_both_names_of_masks(root):
    masks = [item.mask and item.mask.name for item in scan(root, "nut").test]
    assert masks == ["0_mask.png", None, "b.png"]


def test_the_longer_name_of_a_mask_comes_first(root):
    save(root / "nut/ground_truth/bent/0.png", size=(3, 3))
    assert scan(root, "nut").test[0].mask.name == "0_mask.png"


def test_other_files_are_no_images(root):
    (root / "nut/train/good/notes.txt").write_text("x")
    (root / "nut/test/notes.txt").write_text("x")
    save(root / "nut/train/good/2.JPG")
    assert [item.path.name for item in scan(root, "nut").train] == ["0.png", "1.png", "2.JPG"]


def test_categories_are_folders_with_training_images(root):
    shutil.copytree(root / "nut", root / "bolt")
    (root / "other").mkdir()
    (root / "file").touch()
    assert list_categories(root) == ["bolt", "nut"]


def test_manifest_and_fingerprint_say_what_lies_there(root):
    category = scan(root, "nut")
    assert list(category.manifest) == [
        "ground_truth/bent/0_mask.png",
        "ground_truth/split/b.png",
        "test/bent/0.png",
        "test/good/0.png",
        "test/split/b.png",
        "train/good/0.png",
        "train/good/1.png",
    ]
    assert all(len(digest) == 64 for digest in category.manifest.values())
    assert scan(root, "nut").fingerprint == category.fingerprint


def test_a_copy_elsewhere_has_the_same_fingerprint(root, tmp_path):
    shutil.copytree(root / "nut", tmp_path / "copy" / "nut")
    assert scan(tmp_path / "copy", "nut").fingerprint == scan(root, "nut").fingerprint


@pytest.mark.parametrize("name", ["train/good/0.png", "test/good/0.png", "ground_truth/bent/0_mask.png"])
def test_another_content_has_another_fingerprint(root, name):
    before = scan(root, "nut").fingerprint
    save(root / "nut" / name, value=101)
    assert scan(root, "nut").fingerprint != before


def test_another_name_has_another_fingerprint(root):
    before = scan(root, "nut").fingerprint
    (root / "nut/train/good/1.png").rename(root / "nut/train/good/2.png")
    assert scan(root, "nut").fingerprint != before


def test_no_root(tmp_path):
    with pytest.raises(ConfigError, match=r"no data folder at .*gone; give one in the MVTec AD layout with --data DIR"):
        scan(tmp_path / "gone", "nut")


def test_no_category(tmp_path):
    with pytest.raises(ConfigError, match=r"holds no category; expected .*/CATEGORY/train/good and CATEGORY/test"):
        list_categories(tmp_path)


def test_an_unknown_category(root):
    with pytest.raises(ConfigError, match=r"unknown category \(in .*\) 'nuts', did you mean 'nut'\? choices: nut"):
        scan(root, "nuts")


def test_no_good_training_images(root):
    (root / "nut/train/good").rename(root / "nut/train/goods")
    with pytest.raises(ConfigError, match=r"no good training images in .*nut/train/good; training needs some \(png"):
        scan(root, "nut")


def test_no_test_images(root):
    shutil.rmtree(root / "nut/test")
    with pytest.raises(ConfigError, match=r"no test images in .*nut/test; expected good/ and one folder a defect type"):
        scan(root, "nut")


def test_a_defective_image_without_mask(root):
    (root / "nut/ground_truth/bent/0_mask.png").unlink()
    expected = r"defective image .*test/bent/0.png has no mask; expected .*ground_truth/bent/0_mask.png"
    with pytest.raises(ConfigError, match=expected):
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
