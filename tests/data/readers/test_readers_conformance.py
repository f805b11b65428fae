"""What every reader must keep to. A new reader is one line in CASES: itself, and what writes a small data set."""

import numpy as np
import pytest
from PIL import Image

from rdpp.config import ConfigError
from rdpp.data import GOOD, READERS, list_categories, scan
from rdpp.data.readers import mvtec_ad


def save(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (6, 8), dtype=np.uint8)).save(path)


def write_mvtec_ad(root):
    """Categories `nut` and `bolt`; files are made in an order that is not theirs."""
    for category in (root / "nut", root / "bolt"):
        for number in (2, 0, 1):
            save(mvtec_ad.train_folder(category) / f"{number}.png", number)
            for defect_type in ("split", "bent", GOOD):
                save(mvtec_ad.test_folder(category, defect_type) / f"{number}.png", 10 + number)
                if defect_type != GOOD:
                    save(mvtec_ad.mask_path(category, defect_type, f"{number}.png"), 20 + number)


CASES = {
    "mvtec_ad": write_mvtec_ad,
}


@pytest.fixture(params=CASES)
def name(request):
    return request.param


@pytest.fixture
def reader(name):
    return READERS[name]()


@pytest.fixture
def root(name, tmp_path):
    CASES[name](tmp_path / "set")
    return tmp_path / "set"


def items(reader, root):
    return [i for c in reader.categories(root) for half in (reader.train, reader.test) for i in half(root, c)]


def test_every_registered_reader_is_tested_here():
    assert set(CASES) == set(READERS)


def test_two_objects_are_one_reader(name, reader):
    assert reader == READERS[name]()
    assert hash(reader) == hash(READERS[name]())


def test_categories_are_sorted(reader, root):
    found = reader.categories(root)
    assert len(found) >= 2
    assert found == sorted(set(found))


def test_every_path_is_relative_and_exists(reader, root):
    for item in items(reader, root):
        for path in item.files:
            assert not path.is_absolute()
            assert ".." not in path.parts
            assert (root / path).is_file()


def test_no_image_is_listed_twice_or_serves_as_a_mask(reader, root):
    found = items(reader, root)
    images = [item.path for item in found]
    masks = {path for item in found for path in item.masks or ()}
    assert len(set(images)) == len(images)
    assert masks.isdisjoint(images)


def test_images_to_train_on_are_good(reader, root):
    for category in reader.categories(root):
        found = reader.train(root, category)
        assert found
        assert {(item.defect_type, item.label, item.masks) for item in found} == {(GOOD, False, ())}


def test_labels_types_and_masks_agree(reader, root):
    for category in reader.categories(root):
        found = reader.test(root, category)
        assert {item.label for item in found} & {True, None}, "the small data set has something to find"
        for item in found:
            if item.label is False:
                assert (item.defect_type, item.masks) == (GOOD, ())
            if item.label is True:
                assert item.defect_type != GOOD
                assert item.masks is None or len(item.masks) > 0


def test_the_order_depends_on_names_alone(name, reader, root, tmp_path):
    assert items(reader, root) == items(reader, root)
    CASES[name](tmp_path / "elsewhere" / "deeper")
    assert items(reader, tmp_path / "elsewhere" / "deeper") == items(reader, root)


def test_training_items_need_no_test_images(reader, root):
    for category in reader.categories(root):
        before = reader.train(root, category)
        assert reader.has_test(root, category)
        for item in reader.test(root, category):
            for path in item.files:
                (root / path).unlink()
        assert reader.train(root, category) == before
        assert reader.test(root, category) == ()


def test_nothing_is_there_where_nothing_lies(reader, tmp_path):
    assert reader.categories(tmp_path) == []
    assert not reader.has_test(tmp_path, "nut")


def test_an_empty_root_is_told_with_the_layout(name, reader, tmp_path):
    with pytest.raises(ConfigError, match=f"holds no category in the {reader.title} layout, which has") as error:
        list_categories(tmp_path, name)
    assert reader.layout in str(error.value)
    assert "\n" not in str(error.value)


def test_a_category_without_images_is_told_with_the_layout(name, reader, root):
    category = reader.categories(root)[0]
    for item in reader.train(root, category):
        (root / item.path).unlink()
    if category in reader.categories(root):
        with pytest.raises(ConfigError, match=r"no good training images in .* for category") as error:
            scan(root, category, name)
        assert reader.layout in str(error.value)


def test_scanning_finds_what_the_reader_lists(name, reader, root):
    for category in reader.categories(root):
        found = scan(root, category, name)
        assert (found.train, found.test) == (reader.train(root, category), reader.test(root, category))
        assert set(found.manifest) == {path.as_posix() for item in (*found.train, *found.test) for path in item.files}
