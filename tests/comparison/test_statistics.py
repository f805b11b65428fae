"""What a comparison says, against scipy, closed forms and simulated data. No torch, no MLflow."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from rdpp.comparison import statistics
from rdpp.comparison.statistics import (
    ALPHA,
    POWER,
    Answer,
    Comparison,
    ask,
    compare,
    least_units,
    minimum_detectable_effect,
    sign_flips,
)
from rdpp.config import ConfigError


def pairs(differences, base=0.7):
    """{category: (n, 2)} with these differences from a constant baseline."""
    return {name: np.stack([base + np.array(d), np.full(len(d), base)], 1) for name, d in differences.items()}


def drawn(categories=12, seeds=3, effect=0.0, between=0.0, within=0.01, seed=0):
    rng = np.random.default_rng(seed)
    shift = effect + between * rng.standard_normal((categories, 1))
    return {f"c{i}": d for i, d in enumerate(shift + within * rng.standard_normal((categories, seeds)))}


def one(differences):
    (found,) = compare("rd", {"image_auroc": {"ot": pairs(differences)}})
    return found


def test_means_and_counts():
    found = one({"a": [0.02, 0.04], "b": [-0.01, -0.01, -0.01], "c": [0.0, 0.0]})
    assert (found.metric, found.variant, found.baseline, found.pairs) == ("image_auroc", "ot", "rd", 7)
    assert found.by_category == pytest.approx({"a": 0.03, "b": -0.01, "c": 0.0})
    assert found.difference == pytest.approx(0.02 / 3)  # categories weigh the same, whatever their seeds
    assert found.baseline_mean == pytest.approx(0.7)
    assert found.variant_mean == pytest.approx(0.7 + 0.02 / 3)
    assert found.wins_ties_losses == (1, 1, 1)


def test_p_is_that_of_scipys_permutation_test():
    d = np.random.default_rng(0).standard_normal(9) + 0.8
    expected = stats.permutation_test((d,), np.mean, permutation_type="samples", n_resamples=np.inf)
    _, _, p = sign_flips(d[:, None], np.ones(9), ALPHA)
    assert p[0] == pytest.approx(expected.pvalue)


def test_weights_flip_with_their_units():
    """Against every flip, by hand: a category with one run less does not weigh less."""
    d, w = np.array([0.3, -0.1, 0.2, 0.5, 0.1, 0.4]), np.array([1, 1, 1, 1, 0.5, 2])
    signs = np.array(list(itertools.product([-1, 1], repeat=6)))
    expected = 2 * np.mean(signs @ (w * d) >= w @ d - 1e-12)
    assert sign_flips(d[:, None], w, ALPHA)[2][0] == pytest.approx(expected)


def test_a_category_does_not_weigh_more_for_more_seeds():
    by_category = [np.array([[0.5], [0.4], [0.6], [0.5], [0.3]]), np.array([[-0.1], [-0.4]])]
    expected = sign_flips(np.concatenate(by_category), np.array([1 / 5] * 5 + [1 / 2] * 2), ALPHA)
    these, _ = ask(by_category, ALPHA)
    assert (these.low, these.high, these.p) == expected
    assert these.p > 0.25  # 0.02 if all seven pairs weighed the same


def test_differences_that_cancel_are_ties_whatever_their_rounding():
    """0.1 + 0.2 - 0.3 is 5.6e-17: such flips are as large as the mean, and count."""
    d = np.array([0.1, 0.2, -0.3, 0.7, 0.6, -0.6, 0.4])
    expected = sign_flips(np.round(10 * d)[:, None], np.ones(7), ALPHA)[2]
    assert sign_flips(d[:, None], np.ones(7), ALPHA)[2] == expected
    assert sign_flips(-d[:, None], np.ones(7), ALPHA)[2] == expected


def test_the_interval_holds_what_the_test_does_not_reject():
    rng = np.random.default_rng(1)
    for count, alpha in ((7, ALPHA), (11, ALPHA / 3), (30, ALPHA / 6)):
        d, w = rng.standard_normal((count, 1)) + 0.3, rng.random(count) + 0.5
        (low,), (high,), _ = sign_flips(d, w, alpha)
        for shift in np.linspace(low - 0.5, high + 0.5, 41):
            inside = low <= shift <= high
            assert (sign_flips(d - shift, w, alpha)[2][0] > alpha) == inside
        assert low < np.average(d[:, 0], weights=w) < high


def test_many_units_are_tried_with_a_subgroup_of_flips():
    """Their p is near Student's, where differences are normal."""
    d = np.random.default_rng(2).standard_normal((45, 40)) + 0.2
    p, student = sign_flips(d, np.ones(45), ALPHA / 15)[2], stats.ttest_1samp(d, 0).pvalue
    assert np.corrcoef(p, student)[0, 1] > 0.99
    assert abs(p - student).max() < 0.05


def test_equal_differences_are_no_certainty():
    """Their standard error is 0; what counts is how many there are."""
    same = one({"a": [0.0, 0.0], "b": [0.0, 0.0]})
    assert (same.these_categories.p, same.new_categories.p) == (1.0, 1.0)
    for seeds in (2, 3, 5):
        found = one({"a": [0.01] * seeds})
        assert found.verdict(found.these_categories) == "not enough to tell"
        assert found.these_categories.p == pytest.approx(2.0 ** (1 - seeds))
    exact = one({"a": [0.01] * 3, "b": [0.01] * 3})
    assert exact.these_categories.p == pytest.approx(1 / 32)
    assert exact.verdict(exact.these_categories) == "higher"
    assert math.isnan(exact.these_categories.minimum_detectable_effect)  # no spread to judge by


@pytest.mark.parametrize("family", [1, 3, 15, 30])
def test_the_least_number_of_units_is_the_least_that_can_be_sure(family):
    least = least_units(ALPHA / family)
    for count, sure in ((least - 1, False), (least, True)):
        low, _, p = sign_flips(np.ones((count, 1)), np.ones(count), ALPHA / family)
        assert (p[0] * family <= ALPHA) == sure == bool(low[0] > 0)


def test_two_pairs_say_nothing_however_alike():
    found = one({"a": [0.2, 0.2001]})
    assert found.verdict(found.these_categories) == "not enough to tell"
    assert math.isnan(found.these_categories.low)
    assert found.these_categories.minimum_detectable_effect == math.inf


def test_one_seed_shows_the_raw_difference_and_says_nothing():
    found = one({name: [0.1 + 0.01 * i] for i, name in enumerate("abcdefgh")})
    assert found.difference == pytest.approx(0.135)
    assert found.seeds == 1
    for answer in (found.these_categories, found.new_categories):
        assert found.verdict(answer) == "not enough to tell"
        assert math.isnan(answer.low)
        assert answer.minimum_detectable_effect == math.inf


def test_one_family_over_variants_and_metrics():
    values = {
        metric: {name: pairs(drawn(10, 3, 0.004, seed=i + 7 * j)) for i, name in enumerate("xyz")}
        for j, metric in enumerate(("image_auroc", "pixel_auroc"))
    }
    found = compare("rd", values)
    assert len(found) == 6
    for c in found:
        for answer in (c.these_categories, c.new_categories):
            assert answer.p_corrected == pytest.approx(min(1, 6 * answer.p))
    alone = compare("rd", {"image_auroc": {"x": values["image_auroc"]["x"]}})[0]
    together = found[0]
    assert alone.these_categories.low > together.these_categories.low  # the interval pays for the family too
    assert alone.these_categories.minimum_detectable_effect < together.these_categories.minimum_detectable_effect


def test_an_interval_without_0_and_not_enough_to_tell_exclude_each_other():
    rng = np.random.default_rng(3)
    told = set()
    for _ in range(60):
        values = {
            metric: {
                variant: pairs(
                    drawn(rng.integers(2, 14), rng.integers(2, 5), 0.01 * rng.random(), seed=rng.integers(999))
                )
                for variant in "xy"
            }
            for metric in ("m", "n")
        }
        for c in compare("rd", values):
            for answer in (c.these_categories, c.new_categories):
                told.add(answer.sure)
                assert answer.sure == (answer.low > 0 or answer.high < 0)
    assert told == {True, False}


def test_a_clear_difference_is_found_and_has_its_sign():
    for effect, verdict in ((0.05, "higher"), (-0.05, "lower")):
        found = one(drawn(8, 3, effect=effect))
        assert found.verdict(found.these_categories) == found.verdict(found.new_categories) == verdict
        assert found.these_categories.low < effect < found.these_categories.high


def test_an_effect_of_one_category_is_true_here_and_unknown_elsewhere():
    differences = {f"c{i}": d for i, d in enumerate(0.001 * np.random.default_rng(0).standard_normal((8, 8)))}
    differences["c0"] += 0.2
    found = one(differences)
    assert found.verdict(found.these_categories) == "higher"
    assert found.verdict(found.new_categories) == "not enough to tell"


@pytest.mark.parametrize("categories", [1, 2, 3, 5])
def test_too_few_categories_can_never_tell_of_new_ones(categories):
    found = one(drawn(categories, 6, effect=0.5))
    assert found.new_categories.minimum_detectable_effect == math.inf
    assert not found.new_categories.sure
    assert found.these_categories.sure
    assert math.isnan(found.new_categories.low)


@pytest.mark.parametrize(("shape", "least"), [("normal", 0.83), ("t", 0.78)])
def test_the_told_effect_is_found_at_least_as_often_as_told(shape, least):
    """What one comparison tells is planted into another like it."""
    rng = np.random.default_rng(4)
    draw = (lambda size: rng.standard_t(2, size)) if shape == "t" else rng.standard_normal
    first, second = (list(draw((6, 3, 1500))) for _ in range(2))
    for question, told in enumerate(ask(first, ALPHA)):
        again = ask([d + told.minimum_detectable_effect for d in second], ALPHA)[question]
        assert least < np.mean(again.low > 0) < POWER + 0.13


def test_the_minimum_detectable_effect_is_in_the_units_of_the_data():
    d, w = np.random.default_rng(5).standard_normal((12, 1)), np.ones(12)
    assert minimum_detectable_effect(3 * d + 7, w, ALPHA) == pytest.approx(3 * minimum_detectable_effect(d, w, ALPHA))


@pytest.mark.parametrize("shape", ["normal", "unequal", "ties"])
def test_false_alarms_on_a_small_simulation(shape):
    """A rough check of what scripts/studies/false_alarms.py measures at length."""
    values = np.random.default_rng(6).standard_normal((4, 3, 3000))
    if shape == "unequal":
        values[0] *= 10
    if shape == "ties":
        values = np.round(values)
    these, _ = ask(list(values), ALPHA)
    assert np.mean(these.p <= ALPHA) < ALPHA + 3 * math.sqrt(ALPHA / 3000)
    assert np.mean(these.p <= ALPHA) > 0.01


def test_nothing_shared():
    with pytest.raises(ConfigError, match="ot and rd share no category and seed in image_auroc"):
        one({})


def test_a_verdict_needs_the_corrected_p():
    answer = Answer(9, 7, 0.1, 0.2, 0.01, 0.06, 0.1)
    comparison = Comparison("m", "x", "rd", {"a": 0.1}, 2, 2, 0.8, 0.7, answer, answer)
    assert comparison.verdict(answer) == "not enough to tell"


def test_nothing_is_asked_of_one_seed(monkeypatch):
    """A study has thousands of trials with one seed."""
    monkeypatch.setattr(statistics, "ask", None)
    values = {"image_auroc": {"a": {"bolt": np.array([[0.7, 0.6]]), "weave": np.array([[0.8, 0.6]])}}}
    (found,) = statistics.compare("base", values)
    assert (found.these_categories.units, found.new_categories.units) == (2, 2)
    assert (found.these_categories.p, found.these_categories.minimum_detectable_effect) == (1.0, np.inf)
