"""Counts by place are those of a search among the sorted numbers, whatever scores, types and cores."""

import numpy as np
import pytest

from rdpp.kernels import counting
from rdpp.kernels.counting import above, count_between
from rdpp.metrics import evaluate

TINY, LARGE = np.finfo(np.float32).smallest_subnormal, np.finfo(np.float32).max
RNG = np.random.default_rng(0)
SCORES = {
    "spread": np.sort(RNG.random(300)),
    "crowded in one slot": np.sort(np.append(RNG.random(300), [-1e6, 1e6])),
    "crowded at both ends": np.sort(np.concatenate([RNG.random(50) * 1e-9, 1 - RNG.random(50) * 1e-9])),
    "equal ones": np.repeat(np.sort(RNG.normal(size=20)), 3),
    "both zeros": np.array([-0.0, 0.0, 1.0]),
    "one": np.array([0.5]),
    "all alike": np.full(4, 0.5),
    "none": np.empty(0),
    "as close as can be": np.array([0.0, TINY, 2 * TINY]),
    "as far apart as can be": np.array([-LARGE, -1.0, 0.0, TINY, 1.0, LARGE]),
}


def numbers_about(scores, dtype):
    """(5, M): the scores, what lies next to them, far below and far above."""
    scores = scores.astype(dtype)
    largest = np.finfo(dtype).max
    next_to = np.concatenate([np.nextafter(scores, -largest), np.nextafter(scores, largest)])
    around = np.concatenate([scores, next_to, np.array([-largest, -1, 0, 0.5, 1, largest], dtype)])
    rng = np.random.default_rng(1)
    return np.stack([rng.permutation(around) for _ in range(5)])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scores", SCORES.values(), ids=SCORES)
def test_above_and_equal(scores, dtype):
    numbers, rows = numbers_about(scores, dtype), np.array([4, 0, 1])
    ((counts, ties),) = count_between(numbers, scores, [rows])
    expected = [np.count_nonzero(numbers[rows] > score) for score in scores]
    np.testing.assert_array_equal(above(counts), expected)
    assert counts.sum() == numbers[rows].size
    distinct, first = np.unique(scores, return_index=True)
    expected = [np.count_nonzero(numbers[rows] == score) for score in distinct]
    np.testing.assert_array_equal(ties[first], expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_many_scores_are_counted_by_range(monkeypatch, dtype):
    """More numbers than wait in one range at a time, below, among and above the scores, and many ties."""
    rng = np.random.default_rng(2)
    numbers = np.round(rng.normal(size=(4, 20_000)), 4).astype(dtype)
    scores, rows = np.unique(numbers[0, np.abs(numbers[0]) < 1]), [np.array([1, 3])]
    (found,) = count_between(numbers, scores, rows)
    expected = [np.count_nonzero(numbers[[1, 3]] > score) for score in scores[::50]]
    monkeypatch.setattr(counting, "_CACHED", 0)
    np.testing.assert_array_equal(count_between(numbers, scores, rows)[0], found)
    np.testing.assert_array_equal(above(found[0])[::50], expected)


def test_the_whole_range_of_float64():
    scores = np.array([-1.7e308, 0.0, 5e-324, 1.7e308])
    numbers = np.array([[-1.75e308, 0.0, 0.0, 5e-324, 1e308, 1.75e308]])
    ((counts, ties),) = count_between(numbers, scores, [np.array([0])])
    assert counts.tolist() == [1, 2, 1, 1, 1]
    assert ties.tolist() == [0, 2, 1, 0, 0]


def test_scores_between_the_numbers_of_the_type():
    """Thresholds are float64 where the numbers are float32: neither is rounded to the other."""
    number = np.float32(0.1)
    scores = np.array([np.nextafter(np.float64(number), -1), np.float64(number), np.nextafter(np.float64(number), 1)])
    ((counts, ties),) = count_between(np.full((1, 3), number), scores, [np.array([0])])
    assert counts.tolist() == [0, 3, 0, 0]
    assert ties.tolist() == [0, 3, 0, 0]


def test_half_precision():
    scores, numbers = np.linspace(0, 1, 33), np.random.default_rng(0).random((3, 100)).astype(np.float16)
    ((counts, _),) = count_between(numbers, scores, [np.array([2])])
    np.testing.assert_array_equal(above(counts), [np.count_nonzero(numbers[2] > score) for score in scores])


@pytest.mark.parametrize("threads", [1, 3, 16])
def test_groups_on_any_number_of_threads(threads):
    numbers, scores = numbers_about(SCORES["spread"], np.float32), SCORES["spread"]
    groups = [np.array([0, 2, 3]), np.array([], dtype=int), np.array([1])]
    for found, rows in zip(count_between(numbers, scores, groups, threads), groups, strict=True):
        np.testing.assert_array_equal(found, count_between(numbers, scores, [rows])[0])


@pytest.mark.parametrize("number", [1, 5])
def test_every_metric_is_the_same_on_any_number_of_cores(monkeypatch, number):
    rng = np.random.default_rng(0)
    maps, masks = rng.random((4, 40, 40), np.float32).round(3), np.zeros((4, 40, 40), bool)
    masks[1:, 10:20, 5:15] = masks[2:, 30:35, 30:39] = True
    arguments = maps, masks, maps.max((1, 2)), masks.any((1, 2)), ["good", "a", "a", "b"]
    expected, pools, pool = evaluate(*arguments), [], counting.ThreadPoolExecutor
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(number)), raising=False)
    monkeypatch.setattr(counting, "ThreadPoolExecutor", lambda threads: pools.append(threads) or pool(threads))
    np.testing.assert_equal(evaluate(*arguments), expected)
    assert set(pools) == ({number} if number > 1 else set())
