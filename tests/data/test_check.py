"""`check_data`: everything that can be wrong with a data set, in one."""

import os
import shutil

import numpy as np
import pytest
from PIL import Image

from rdpp.config import ConfigError
from rdpp.data.check import check_data
from rdpp.data.perceptual import near_pairs, perceptual_hash


def picture(seed, side=64):
    """Smooth noise, as photographs have more of than sensors do."""
    coarse = np.random.default_rng(seed).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)


def save(path, image, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)


def mask(*box):
    drawn = np.zeros((64, 64), np.uint8)
    drawn[box[0] : box[1], box[0] : box[1]] = 255
    return Image.fromarray(drawn)


@pytest.fixture
def nut(tmp_path):
    nut = tmp_path / "nut"
    for seed in range(3):
        save(nut / f"train/good/{seed}.png", picture(seed))
    save(nut / "test/good/0.png", picture(10))
    for name, of in (("0", mask(8, 40)), ("1", mask(0, 0)), ("2", mask(9, 10))):
        save(nut / f"test/cut/{name}.png", picture(20 + int(name)))
        save(nut / f"ground_truth/cut/{name}_mask.png", of)
    return nut


def checked(nut):
    (found,) = check_data(nut.parent, size=(32, 32))
    return found


def test_what_is_there(nut):
    found = checked(nut)
    assert (found.category, found.train, found.test_good, found.defective, found.masks) == ("nut", 3, 1, {"cut": 3}, 3)
    assert (dict(found.sizes), dict(found.kinds)) == ({"64 x 64": 7}, {"8-bit colour": 7})
    assert found.empty_masks == ["nut/test/cut/1.png"]
    assert found.vanished_masks == ["nut/test/cut/2.png"]
    assert (found.duplicates, found.near_duplicates, found.undecodable, found.problems) == ([], [], [], [])
    assert found.passed_over == {}


def test_copies_of_training_images_are_found(nut):
    shutil.copy(nut / "train/good/0.png", nut / "test/good/8.png")
    save(nut / "test/good/9.jpg", picture(2), quality=70)
    found = checked(nut)
    assert found.duplicates == [("nut/train/good/0.png", "nut/test/good/8.png")]
    ((train, test, bits),) = found.near_duplicates
    assert (train, test) == ("nut/train/good/2.png", "nut/test/good/9.jpg")
    assert bits <= 10
    assert found.problems == []


def test_files_that_cannot_be_used_are_problems(nut):
    (nut / "train/good/1.png").write_bytes(b"no image")
    save(nut / "ground_truth/cut/0_mask.png", mask(8, 40).resize((32, 64)))
    found = checked(nut)
    assert found.undecodable == ["nut/train/good/1.png"]
    assert [problem.split("; ")[0] for problem in found.problems] == [
        f"the mask {nut}/ground_truth/cut/0_mask.png is (32, 64) pixels, its image (64, 64)",
        f"cannot decode the image {nut}/train/good/1.png",
    ]


def test_missing_masks_are_a_problem_unless_all_are_missing(nut):
    (nut / "ground_truth/cut/0_mask.png").unlink()
    (problem,) = checked(nut).problems
    assert problem.startswith("1 of 3 defective images of 'nut' have no mask, first ")
    shutil.rmtree(nut / "ground_truth")
    found = checked(nut)
    assert (found.problems, found.masks, found.empty_masks) == ([], 0, [])


def test_what_is_passed_over_is_listed_and_odd_names_are_printable(nut):
    (nut / "train/good/.hidden.png").write_bytes(b"x")
    (nut / "license.txt").write_text("about the category, and no image")
    os.mkfifo(nut / "train/good/pipe.png")
    save(nut / "ground_truth/cut/7_mask.png", mask(8, 40))
    (nut / "train/good/0.png").rename(nut / "train/good" / os.fsdecode(b"\xff.png"))
    shutil.copy(nut / "train/good" / os.fsdecode(b"\xff.png"), nut / "test/good/8.png")
    found = checked(nut)
    assert found.passed_over == {
        "hidden": ["nut/train/good/.hidden.png"],
        "no regular file": ["nut/train/good/pipe.png"],
        "no part of the layout": ["nut/ground_truth/cut/7_mask.png"],
    }
    assert found.duplicates == [("nut/train/good/\\xff.png", "nut/test/good/8.png")]


def test_a_folder_that_is_a_category_itself(nut):
    with pytest.raises(
        ConfigError, match=f"it is a category itself: give the folder above it with --data {nut.parent}"
    ):
        check_data(nut)


def test_hashes_tell_how_much_pictures_differ():
    first, second = (np.asarray(picture(seed), np.float32) / 255 for seed in (0, 1))
    hashes = np.stack([perceptual_hash(pixels) for pixels in (first, second, 0.9 * first, first[::-1])])
    assert hashes.shape == (4, 255)
    distances = {(i, j): bits for i, j, bits in near_pairs(hashes, hashes, most=255)}
    assert distances[0, 0] == distances[1, 1] == 0
    assert all(bits == (hashes[i] != hashes[j]).sum() for (i, j), bits in distances.items())
    assert distances[0, 2] <= 10 < min(distances[0, 1], distances[0, 3])
    assert near_pairs(hashes[:0], hashes) == []
