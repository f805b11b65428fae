"""Sorted pieces are numpy's sort."""

import numpy as np
import pytest

from rdpp.metrics import evaluate, sorting


def awkward(count):
    rng = np.random.default_rng(0)
    tiny = np.finfo(np.float32)
    special = [0.0, -0.0, tiny.max, tiny.min, tiny.tiny, -tiny.tiny, 1e-45, -1e-45, 1.0, np.nextafter(1, 2)]
    drawn = rng.normal(size=count) * 10.0 ** rng.integers(-30, 30, count)
    return rng.permutation(np.concatenate([special, drawn, drawn[: count // 2]]).astype(np.float32))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_one_piece(dtype):
    with np.errstate(over="ignore"):
        scores = np.clip(awkward(5000).astype(dtype), np.finfo(dtype).min, np.finfo(dtype).max)
    (found,) = sorting.sorted_pieces(scores.copy())
    np.testing.assert_array_equal(found, np.sort(scores))


def test_many_pieces(monkeypatch):
    monkeypatch.setattr(sorting, "_PIECE", 100)
    monkeypatch.setattr(sorting.numba, "get_num_threads", lambda: 4)
    scores = awkward(5000)
    pieces = sorting.sorted_pieces(scores.copy())
    assert len(pieces) == 4
    assert all((np.diff(piece) >= 0).all() for piece in pieces)
    np.testing.assert_array_equal(np.sort(np.concatenate(pieces)), np.sort(scores))


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_or_none(count):
    pieces = sorting.sorted_pieces(np.arange(count, 0, -1, dtype=np.float32))
    assert np.concatenate(pieces).tolist() == list(range(1, count + 1))


def test_every_metric_is_the_same_whatever_the_pieces(monkeypatch):
    rng = np.random.default_rng(0)
    maps, masks = rng.random((4, 40, 40), np.float32).round(3), np.zeros((4, 40, 40), bool)
    masks[1:, 10:20, 5:15] = masks[2:, 30:35, 30:39] = True
    arguments = maps, masks, maps.max((1, 2)), masks.any((1, 2)), ["good", "a", "a", "b"]
    expected = evaluate(*arguments)
    monkeypatch.setattr(sorting, "_PIECE", 100)
    monkeypatch.setattr(sorting.numba, "get_num_threads", lambda: 4)
    np.testing.assert_equal(evaluate(*arguments), expected)
