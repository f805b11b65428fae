"""`reader: folder`: any tree, by globs."""

import os

import pytest
from layouts import save, save_mask

from rdpp.config import ConfigError, decode, encode
from rdpp.data import Folder, list_categories, scan


@pytest.fixture
def root(tmp_path):
    """Ten good parts; two days of scratches and one dent; masks in a folder of their own."""
    for i in range(10):
        save(tmp_path / f"screws/ok/{i}.png", i)
    for name in ("nok/scratch/a", "nok/scratch/b", "nok/c"):
        save(tmp_path / f"screws/{name}.png", 20)
        save_mask(tmp_path / f"screws/labels/{name[-1]}_mask.bmp", 255)
    return tmp_path / "screws"


def found(root, **settings):
    folder = Folder(**{"good": "ok", "defective": "nok", "masks": "labels", **settings})
    (category,) = list_categories(root, folder)
    return scan(root, category, folder)


def paths(items):
    return [item.path.as_posix() for item in items]


@pytest.mark.parametrize(
    "globs",
    [
        {},
        {"good": "ok/*.png", "defective": "nok/**/*.png", "masks": "labels/*_mask.bmp"},
        {"good": "ok/**", "defective": ["nok/*.png", "nok/scratch"], "masks": "**/labels"},
        {"good": "[o]k", "defective": "no?", "masks": "lab*"},
    ],
)
def test_globs_name_files_or_folders(root, globs):
    category = found(root, **decode(Folder, {"good": "ok", **globs}).__dict__ if globs else {})
    assert category.name == "screws"
    assert (len(category.train), [item.label for item in category.test].count(False)) == (8, 2)
    defective = {item.path.as_posix(): item for item in category.test if item.label}
    assert {path: [mask.as_posix() for mask in item.masks] for path, item in defective.items()} == {
        f"nok/{path}.png": [f"labels/{path[-1]}_mask.bmp"] for path in ("c", "scratch/a", "scratch/b")
    }
    assert category.passed_over == {}


def test_a_folder_is_a_defect_type(root):
    assert [item.defect_type for item in found(root).test if item.label] == ["defective", "scratch", "scratch"]


@pytest.mark.parametrize(("share", "tested"), [(0.0, 0), (0.01, 1), (0.2, 2), (0.5, 5), (0.99, 9)])
def test_the_share_of_good_images_is_tested_on(root, share, tested):
    category = found(root, test_share=share)
    good = [item for item in category.test if not item.label]
    assert (len(good), len(category.train)) == (tested, 10 - tested)
    assert set(paths(good)).isdisjoint(paths(category.train))


def test_the_seed_decides_which(root):
    splits = {tuple(paths(found(root, seed=seed).train)) for seed in range(6)}
    assert len(splits) > 3
    assert paths(found(root, seed=3).train) == paths(found(root, seed=3).train)


def test_without_masks(root):
    assert {item.masks for item in found(root, masks=()).test if item.label} == {None}


def test_without_defective_images(root):
    assert {item.label for item in found(root, defective="none_yet", masks=()).test} == {False}


def test_masks_beside_their_images(root):
    for name in "ab":
        os.rename(root / f"labels/{name}_mask.bmp", root / f"nok/scratch/{name}_mask.bmp")
    os.rename(root / "labels/c_mask.bmp", root / "nok/c_mask.bmp")
    test = found(root, masks="nok/**/*_mask.*").test
    assert [item.masks[0].name for item in test if item.label] == ["c_mask.bmp", "a_mask.bmp", "b_mask.bmp"]


def test_images_of_one_name_take_the_masks_of_their_own_folders(root):
    save(root / "nok/dent/a.png", 30)
    for kind in ("dent", "scratch"):
        save_mask(root / f"labels/{kind}/a.png", 255)
    test = found(root).test
    masks = {item.path.as_posix(): item.masks[0].as_posix() for item in test if item.label}
    assert masks["nok/dent/a.png"] == "labels/dent/a.png"
    assert masks["nok/scratch/a.png"] == "labels/scratch/a.png"


def test_categories(tmp_path):
    for name in ("nut [new]", "bolt"):
        for i in range(3):
            save(tmp_path / f"images/{name}/fine/{i}.png", i)
            save(tmp_path / f"images/{name}/broken/{i}.png", i)
    (tmp_path / "images/empty").mkdir()
    folder = Folder(good="images/CATEGORY/fine", defective="images/CATEGORY/broken")
    assert list_categories(tmp_path, folder) == ["bolt", "nut [new]"]
    category = scan(tmp_path, "nut [new]", folder)
    assert (len(category.train), len(category.test)) == (2, 4)
    assert all(path.startswith("images/nut [new]/") for path in category.manifest)


def test_unused_images_are_told(root):
    save(root / "archive/0.png", 0)
    assert paths_of(found(root).passed_over) == {"no part of the layout": ["archive/0.png"]}


def paths_of(passed_over):
    return {why: [path.as_posix() for path in files] for why, files in passed_over.items()}


def test_what_contradicts_itself_is_refused(root):
    with pytest.raises(ConfigError, match=r"3 images are both good and defective by data.folder, first .*nok/c.png"):
        _ = found(root, good="*ok", test_share=0.1).test
    with pytest.raises(ConfigError, match=r"none of the 0 masks that data.folder.masks finds in .* has the name of a"):
        _ = found(root, masks="lables").test
    (root / "labels/c_mask.bmp").unlink()
    with pytest.raises(ConfigError, match=r"1 of 3 defective images of 'screws' have no mask, first .*nok/c.png"):
        _ = found(root).test
    with pytest.raises(ConfigError, match="holds no category in the folder layout, which has what the globs"):
        list_categories(root, Folder(good="okay"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"good": "/data/ok"}, r"good must be a glob below the root, such as ok, .*, got '/data/ok'"),
        ({"good": "../ok"}, r"good must be a glob below the root"),
        ({"masks": "mask/**.png"}, r"masks must be a glob below the root"),
        ({"good": ""}, "good must be a glob below the root"),
        ({"good": ()}, "good must name at least one glob"),
        ({"test_share": 1.0}, "test_share must be at least 0 and below 1, got 1.0"),
        ({"good": "CATEGORY/ok"}, "either all globs of data.folder have the folder CATEGORY, or none has"),
        ({"good": "*/CATEGORY/ok", "defective": "CATEGORY/x"}, "no wildcard before it, got '.*/CATEGORY/ok'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        Folder(**settings)


def test_its_settings_are_plain_data():
    folder = Folder(good=("a", "b"), seed=3)
    assert decode(Folder, encode(folder)) == folder
    assert hash(decode(Folder, encode(folder))) == hash(folder)
