"""The layout of MVTec AD: what is found, and what is refused."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rdpp.config import ConfigError
from rdpp.data.readers import MvtecAd

READER = MvtecAd()


def save(path, size=(8, 6)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((size[1], size[0], 3), 100, np.uint8)).save(path)


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
    assert [item.path for item in READER.train(root, "nut")] == [
        Path("nut/train/good/0.png"),
        Path("nut/train/good/1.png"),
    ]
    assert [(item.path.as_posix(), item.defect_type, item.label) for item in READER.test(root, "nut")] == [
        ("nut/test/bent/0.png", "bent", True),
        ("nut/test/good/0.png", "good", False),
        ("nut/test/split/b.png", "split", True),
    ]


def test_both_names_of_masks(root):
    bent, good, split = (item.masks for item in READER.test(root, "nut"))
    assert bent == (Path("nut/ground_truth/bent/0_mask.png"),)
    assert good == ()
    assert split == (Path("nut/ground_truth/split/b.png"),)


def test_the_longer_name_of_a_mask_comes_first(root):
    save(root / "nut/ground_truth/bent/0.png")
    assert READER.test(root, "nut")[0].masks == (Path("nut/ground_truth/bent/0_mask.png"),)


def test_other_files_are_no_images(root):
    (root / "nut/train/good/notes.txt").write_text("x")
    (root / "nut/test/notes.txt").write_text("x")
    save(root / "nut/train/good/2.JPG")
    assert [item.path.name for item in READER.train(root, "nut")] == ["0.png", "1.png", "2.JPG"]
    assert len(READER.test(root, "nut")) == 3


def test_categories_are_folders_with_training_images(root):
    shutil.copytree(root / "nut", root / "bolt")
    (root / "other").mkdir()
    (root / "file").touch()
    assert READER.categories(root) == ["bolt", "nut"]


def test_test_images_are_there_as_soon_as_their_folder_is(root):
    assert READER.has_test(root, "nut")
    shutil.rmtree(root / "nut/test")
    assert not READER.has_test(root, "nut")


def test_a_defective_image_without_mask(root):
    (root / "nut/ground_truth/bent/0_mask.png").unlink()
    expected = r"defective image .*test/bent/0.png has no mask; expected .*ground_truth/bent/0_mask.png"
    with pytest.raises(ConfigError, match=expected):
        READER.test(root, "nut")
