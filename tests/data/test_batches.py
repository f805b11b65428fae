import numpy as np
import pytest
import torch

from rdpp.data import GOOD, Item, Split, ordered_batches, shuffled_batches


@pytest.fixture
def split(tmp_path):
    """Eleven images, each full of its own number."""
    images = np.arange(11, dtype=np.float32)[:, None, None, None] * np.ones((1, 3, 4, 4), np.float32)
    items = tuple(Item(tmp_path / f"{i}.png", GOOD) for i in range(11))
    return Split(items, images, np.zeros((11, 4, 4), bool))


def shuffled(split, seed):
    return list(shuffled_batches(split, 4, torch.Generator().manual_seed(seed)))


def order(batches):
    return [int(index) for batch in batches for index in batch.indices]


def test_every_image_comes_once_in_batches_of_the_size_and_a_rest(split):
    for batches in (shuffled(split, 0), list(ordered_batches(split, 4))):
        assert [len(batch.images) for batch in batches] == [4, 4, 3]
        assert sorted(order(batches)) == list(range(11))
        for batch in batches:
            assert torch.equal(batch.images[:, 0, 0, 0].long(), batch.indices)


def test_the_generator_decides_the_order(split):
    torch.manual_seed(1)
    first = order(shuffled(split, 0))
    torch.manual_seed(2)
    assert order(shuffled(split, 0)) == first
    assert order(shuffled(split, 1)) != first


def test_each_epoch_has_an_order_of_its_own(split):
    source = torch.Generator().manual_seed(0)
    assert order(shuffled_batches(split, 4, source)) != order(shuffled_batches(split, 4, source))


def test_ordered_batches_keep_the_splits_order(split):
    assert order(ordered_batches(split, 4)) == list(range(11))
