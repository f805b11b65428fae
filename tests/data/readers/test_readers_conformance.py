"""What every reader must keep to. A new reader is one line in CASES: itself, and what writes a small data set."""

import pytest
from layouts import LAYOUTS

from rdpp.config import ConfigError
from rdpp.data import GOOD, READERS, list_categories, scan

CASES = {
    **LAYOUTS,
}
ONE_CATEGORY = ("kolektor_sdd", "kolektor_sdd2", "folder")
"""The root is the category, whose name is the reader's own."""
SPLIT_HERE = ("kolektor_sdd", "folder")
"""Which of the good images are tested on depends on all of them."""


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


def test_categories_are_sorted(name, reader, root):
    found = reader.categories(root)
    assert len(found) >= (1 if name in ONE_CATEGORY else 2)
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
    CASES[name](tmp_path / "elsewhere" / "set")
    assert items(reader, tmp_path / "elsewhere" / "set") == items(reader, root)


def test_training_items_need_no_test_images(name, reader, root):
    for category in reader.categories(root):
        before = reader.train(root, category)
        assert reader.has_test(root, category)
        if name in SPLIT_HERE:  # what is not tested on is trained on: the split changes with the images
            assert not {item.path for item in before} & {item.path for item in reader.test(root, category)}
            continue
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
    for item in (*reader.train(root, category), *reader.test(root, category)):
        if not item.label:
            (root / item.path).unlink()
    if category in reader.categories(root):
        with pytest.raises(ConfigError, match=r"no good training images in .* for category") as error:
            scan(root, category, name)
        assert reader.layout in str(error.value)


def test_what_is_left_out_is_neither_trained_nor_tested_on(reader, root):
    for category in reader.categories(root):
        used = {path for half in (reader.train, reader.test) for i in half(root, category) for path in i.files}
        for why, left_out in reader.left_out(root, category).items():
            assert why
            assert left_out
            for item in left_out:
                assert (root / item.path).is_file()
                assert used.isdisjoint(item.files)


def test_nothing_of_the_layout_is_passed_over_but_what_is_left_out(name, reader, root):
    for category in reader.categories(root):
        found = scan(root, category, name).passed_over
        left_out = reader.left_out(root, category)
        assert found == {why: tuple(item.path for item in items) for why, items in left_out.items()}


def test_scanning_finds_what_the_reader_lists(name, reader, root):
    for category in reader.categories(root):
        found = scan(root, category, name)
        assert (found.train, found.test) == (reader.train(root, category), reader.test(root, category))
        assert set(found.manifest) == {path.as_posix() for item in (*found.train, *found.test) for path in item.files}
