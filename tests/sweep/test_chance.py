"""What seeds alone do to the differences between trials."""

import math

import numpy as np
import pytest

from rdpp.sweep.chance import Chance, chance

BOTH = {("a", 1), ("a", 2)}
"""A category with two seeds."""


def test_its_level_is_kept_where_trials_differ_by_their_seeds_alone():
    """Five of a hundred such studies are said to differ, though every seed is good or bad for all trials alike."""
    random = np.random.default_rng(0)
    said = []
    for _ in range(2000):
        values = random.standard_normal((8, 3)) + 5 * random.standard_normal(3)
        trials = [{("a", seed): value for seed, value in enumerate(row)} for row in values]
        said.append(chance(trials, trials[0]).explains(values.mean(1).std(ddof=1), 8))
    assert np.mean(said) == pytest.approx(0.95, abs=0.015)


def test_what_a_seed_does_to_all_trials_alike_is_no_difference_between_them():
    trials = [{("a", 1): value - 0.2, ("a", 2): value + 0.2} for value in (0.5, 0.6, 0.7)]
    found = chance(trials, trials[0])
    assert found.deviation == pytest.approx(0)
    assert found.degrees == 2
    assert not found.explains(0.1, 3)


def test_trials_that_are_alike_differ_by_nothing():
    values = [0.1, 0.1, 0.1]
    found = chance([{("a", 1): value, ("a", 2): value} for value in values], BOTH)
    assert found.explains(float(np.std(values, ddof=1)), 3)  # 1e-17 of rounding


@pytest.mark.parametrize("lacking", [{("a", 1): 0.7}, {("a", 1): 0.7, ("a", 2): math.nan}], ids=["no run", "undefined"])
def test_a_trial_that_lacks_a_run_tells_nothing_of_seeds(lacking):
    found = chance([{("a", 1): 0.5, ("a", 2): 0.7}, lacking, {("a", 1): 0.6, ("a", 2): 0.8}], BOTH)
    assert found == Chance(pytest.approx(0), 1)


def test_a_mean_over_more_seeds_strays_less():
    random = np.random.default_rng(0)
    trials = [{("a", seed): random.standard_normal() for seed in range(4)} for _ in range(5)]
    one, four = (chance(trials, [("a", seed) for seed in range(seeds)]).deviation for seeds in (1, 4))
    assert one == pytest.approx(2 * four)


@pytest.mark.parametrize("trials", [[], [{}, {}], [{("a", 1): 0.5, ("a", 2): 0.6}], [{("a", 1): 0.5}, {("a", 1): 0.6}]])
def test_without_trials_or_seeds_nothing_is_known(trials):
    found = chance(trials, {("a", 1)})
    assert math.isnan(found.deviation)
    assert not found.known
