"""Teacher features computed once: the same as the teacher's own, shared between runs, within the budget."""

from pathlib import Path

import numpy as np
import pytest
import torch

from rdpp import kernels
from rdpp.data import GOOD, Item, Split
from rdpp.engine import teacher_features as module
from rdpp.engine.loader import DataLoader
from rdpp.engine.teacher_features import forget_features, teacher_features
from rdpp.models import TeacherConfig, load_teacher

IMAGE_GB = 4 * (32 * 16 * 16 + 64 * 8 * 8 + 128 * 4 * 4) / 1e9  # of the built-in teacher at 64 x 64


@pytest.fixture
def teacher():
    return load_teacher(TeacherConfig())


@pytest.fixture(autouse=True)
def nothing_kept():
    forget_features()
    yield
    forget_features()


def split(tmp_path, key="a", count=5):
    images = np.random.default_rng(len(key)).random((count, 3, 64, 64), np.float32)
    items = tuple(Item(Path(f"{i}.png"), GOOD, False) for i in range(count))
    return Split(items, images, np.zeros((count, 64, 64), bool), key, tmp_path)


def count_calls(teacher, monkeypatch):
    calls = []
    forward = type(teacher).forward
    monkeypatch.setattr(type(teacher), "forward", lambda self, x: calls.append(len(x)) or forward(self, x))
    return calls


def test_they_are_the_teachers_own_by_index(teacher, tmp_path):
    images = split(tmp_path)
    (found,) = teacher_features(teacher, [images], 1.0, 2)
    indices = torch.tensor([4, 0, 3])
    expected = teacher(torch.from_numpy(images.images[indices.numpy()]))
    for one, other in zip(found.of(indices), expected, strict=True):
        torch.testing.assert_close(one, other)
        assert one.is_contiguous(memory_format=torch.channels_last)
    assert found.bytes == pytest.approx(5 * IMAGE_GB * 1e9)


def test_a_second_run_computes_nothing(teacher, tmp_path, monkeypatch):
    first = teacher_features(teacher, [split(tmp_path)], 1.0, 2)
    calls = count_calls(teacher, monkeypatch)
    assert teacher_features(teacher, [split(tmp_path)], 1.0, 2)[0] is first[0]
    assert calls == [1]  # to learn the size


@pytest.mark.parametrize("other", ["split", "batch size", "teacher", "dtype", "kernels"])
def test_what_decides_them_tells_them_apart(teacher, tmp_path, other, monkeypatch):
    (first,) = teacher_features(teacher, [split(tmp_path)], 1.0, 2)
    images, size = split(tmp_path, "bb" if other == "split" else "a"), 3 if other == "batch size" else 2
    if other == "teacher":
        teacher = load_teacher(TeacherConfig(weights="random"))
    if other == "kernels":
        monkeypatch.setattr(kernels, "are_on", lambda: False)
    if other == "dtype":
        teacher = teacher.to(torch.bfloat16)
        images = Split(images.items, images.images, images.masks, images.key, images.root)
        teacher.forward = lambda x: type(teacher).forward(teacher, x.bfloat16())
    assert teacher_features(teacher, [images], 1.0, size)[0] is not first


def test_the_budget_is_kept(teacher, tmp_path):
    one, two = split(tmp_path, "a"), split(tmp_path, "bb")
    kept = teacher_features(teacher, [one, two], 5.5 * IMAGE_GB, 2)
    assert [features is not None for features in kept] == [True, False]
    assert teacher_features(teacher, [one], 0.0, 2) == [None]
    both = teacher_features(teacher, [one, two], 10.5 * IMAGE_GB, 2)
    assert all(features is not None for features in both)


def test_the_least_recently_used_makes_room(teacher, tmp_path):
    one, two, three = (split(tmp_path, key) for key in ("a", "bb", "ccc"))
    budget = 10.5 * IMAGE_GB
    for images in (one, two, one, three):
        teacher_features(teacher, [images], budget, 2)
    assert [key[1] for key in module._kept] == ["a", "ccc"]
    assert sum(features.bytes for features in module._kept.values()) <= budget * 1e9


def test_a_feed_gives_images_and_features_of_the_same_indices(teacher, tmp_path):
    images = split(tmp_path)
    (features,) = teacher_features(teacher, [images], 1.0, 2)
    order = (torch.tensor([3, 1]), torch.tensor([0]))
    batches = list(DataLoader(images, torch.device("cpu"), features).batches(order))
    assert [batch.indices.tolist() for batch in batches] == [[3, 1], [0]]
    for batch in batches:
        np.testing.assert_array_equal(batch.images, images.images[batch.indices.numpy()])
        torch.testing.assert_close(batch.teacher, teacher(batch.images))
    assert next(DataLoader(images, torch.device("cpu")).batches(order)).teacher is None
