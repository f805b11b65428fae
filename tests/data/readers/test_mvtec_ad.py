"""The layout of MVTec AD: what is found, and what is refused."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rdpp.config import ConfigError
from rdpp.data import scan
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
    assert next(item.masks for item in READER.test(root, "nut") if item.label) is None
    expected = r"1 of 2 defective images of 'nut' have no mask, first .*test/bent/0.png; the MVTec AD layout has "
    with pytest.raises(
        ConfigError, match=expected + ".*ground_truth/DEFECT_TYPE/NAME_mask.png. Add the masks, or take"
    ):
        scan(root, "nut")


def test_no_masks_at_all(root):
    shutil.rmtree(root / "nut/ground_truth")
    assert [item.masks for item in scan(root, "nut").test] == [None, (), None]


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["0_mask.bmp"], ["0_mask.bmp"]),
        (["0.jpg"], ["0.jpg"]),
        (["0_GT.PNG"], ["0_GT.PNG"]),
        (["0_mask_1.png", "0_mask_2.png"], ["0_mask_1.png", "0_mask_2.png"]),
        (["0_1_mask.png", "0_mask.png", "0.png"], ["0_1_mask.png", "0_mask.png"]),
        (["0_0.png", "0_1.png", "0_GT.png"], ["0_0.png", "0_1.png"]),
        (["0/a.png", "0/b.png"], ["0/a.png", "0/b.png"]),
    ],
)
def test_names_of_masks(root, names, chosen):
    folder = root / "nut/ground_truth/bent"
    (folder / "0_mask.png").unlink()
    for name in names:
        save(folder / name)
    masks = READER.test(root, "nut")[0].masks
    assert [path.relative_to("nut/ground_truth/bent").as_posix() for path in masks] == chosen


def test_a_mask_belongs_to_the_image_with_the_longest_fitting_name(root):
    nut = root / "nut"
    save(nut / "test/bent/0_1.png")
    save(nut / "ground_truth/bent/0_1.png")
    save(nut / "ground_truth/bent/000_mask.png")  # of an image 000, which is not there
    first, second = READER.test(root, "nut")[:2]
    assert first.masks == (Path("nut/ground_truth/bent/0_mask.png"),)
    assert second.masks == (Path("nut/ground_truth/bent/0_1.png"),)


@pytest.mark.parametrize("place", ["bent/day1", "bent"])
def test_folders_in_folders_are_read(root, place):
    nut = root / "nut"
    for path in ("train/good/day1/7.png", "test/good/day1/7.png", "test/bent/day1/7.png"):
        save(nut / path)
    save(nut / "ground_truth" / place / "7_mask.png")
    assert len(READER.train(root, "nut")) == 3
    items = {item.path.as_posix(): item for item in READER.test(root, "nut")}
    assert items["nut/test/good/day1/7.png"].defect_type == "good"
    deep = items["nut/test/bent/day1/7.png"]
    assert (deep.defect_type, deep.label) == ("bent/day1", True)
    assert deep.masks == (Path(f"nut/ground_truth/{place}/7_mask.png"),)


def test_a_mask_for_images_of_two_folders_is_refused(root):
    save(root / "nut/test/bent/day1/0.png")
    with pytest.raises(ConfigError, match=r"0_mask.png fits two images, .*bent/0.png and .*day1/0.png; lay masks in"):
        READER.test(root, "nut")


def test_hidden_folders_are_no_categories_and_no_defect_types(root):
    for place in (".ipynb_checkpoints/train/good/0.png", "__MACOSX/train/good/0.png", "nut/test/.cache/0.png"):
        save(root / place)
    assert READER.categories(root) == ["nut"]
    assert {item.defect_type for item in READER.test(root, "nut")} == {"bent", "good", "split"}
