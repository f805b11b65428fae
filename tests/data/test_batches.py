import torch

from rdpp.data import ordered, shuffled


def drawn(seed):
    return torch.cat(shuffled(11, 4, torch.Generator().manual_seed(seed))).tolist()


def test_every_index_comes_once_in_batches_of_the_size_and_a_rest():
    for batches in (shuffled(11, 4, torch.Generator()), ordered(11, 4)):
        assert [len(batch) for batch in batches] == [4, 4, 3]
        assert sorted(torch.cat(batches).tolist()) == list(range(11))


def test_the_generator_decides_the_order():
    torch.manual_seed(1)
    first = drawn(0)
    torch.manual_seed(2)
    assert drawn(0) == first
    assert drawn(1) != first


def test_each_epoch_has_an_order_of_its_own():
    source = torch.Generator().manual_seed(0)
    first, second = (torch.cat(shuffled(11, 4, source)).tolist() for _ in range(2))
    assert first != second


def test_ordered_keeps_the_order():
    assert torch.cat(ordered(11, 4)).tolist() == list(range(11))
