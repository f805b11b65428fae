"""What a comparison says, against scipy, closed forms and simulated data. No torch, no MLflow."""

import gc
import itertools
import math

import numpy as np
import pytest
from scipy import stats

from rdpp.comparison.statistics import ALPHA, Answer, Comparison, compare, two_stage_bootstrap
from rdpp.config import ConfigError


def pairs(differences, base=0.7):
    """{category: (n, 2)} with these differences from a constant baseline."""
    return {name: np.stack([base + np.array(d), np.full(len(d), base)], 1) for name, d in differences.items()}


def drawn(categories=12, seeds=3, effect=0.0, between=0.0, within=0.01, seed=0):
    rng = np.random.default_rng(seed)
    shift = effect + between * rng.standard_normal((categories, 1))
    return {f"c{i}": d for i, d in enumerate(shift + within * rng.standard_normal((categories, seeds)))}


def one(differences):
    (found,) = compare("image_auroc", "rd", {"ot": pairs(differences)})
    return found


def test_means_and_counts():
    found = one({"a": [0.02, 0.04], "b": [-0.01, -0.01, -0.01], "c": [0.0, 0.0]})
    assert (found.metric, found.variant, found.baseline, found.pairs) == ("image_auroc", "ot", "rd", 7)
    assert found.by_category == pytest.approx({"a": 0.03, "b": -0.01, "c": 0.0})
    assert found.difference == pytest.approx(0.02 / 3)  # categories weigh the same, whatever their seeds
    assert found.baseline_mean == pytest.approx(0.7)
    assert found.variant_mean == pytest.approx(0.7 + 0.02 / 3)
    assert found.wins_ties_losses == (1, 1, 1)


def test_one_category_is_students_paired_t():
    d = [0.01, 0.03, 0.02, -0.005]
    found, expected = one({"a": d}).these_categories, stats.ttest_1samp(d, 0.0)
    assert found.p == pytest.approx(expected.pvalue)
    interval = expected.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


def test_two_categories_are_welchs_t():
    """A mean of two category means is half a difference: of the one and the other's negative."""
    first, second = [0.01, 0.03, 0.02, -0.005], [0.05, -0.02, 0.04]
    found = one({"a": first, "b": second}).these_categories
    expected = stats.ttest_ind(first, -np.array(second), equal_var=False)
    assert found.p == pytest.approx(expected.pvalue)
    interval = expected.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((interval.low / 2, interval.high / 2))


def test_new_categories_are_asked_of_category_means():
    differences = drawn(10, 3, effect=0.004)
    means = [d.mean() for d in differences.values()]
    assert one(differences).new_categories.p == pytest.approx(stats.wilcoxon(means).pvalue)


def test_holm_multiplies_the_smallest_by_the_number_of_variants():
    effects = {"x": 0.01, "y": 0.004, "z": 0.0}
    x, y, z = compare("m", "rd", {name: pairs(drawn(10, 3, e, seed=i)) for i, (name, e) in enumerate(effects.items())})
    assert 10 * x.these_categories.p < 3 * y.these_categories.p < z.these_categories.p
    assert x.these_categories.p_holm == pytest.approx(3 * x.these_categories.p)
    assert y.these_categories.p_holm == pytest.approx(2 * y.these_categories.p)
    assert z.these_categories.p_holm == z.these_categories.p
    alone = one(drawn(10, 3, effect=0.01, seed=0))
    assert alone.these_categories.p == alone.these_categories.p_holm == pytest.approx(x.these_categories.p)
    # several questions need larger differences
    assert alone.these_categories.minimum_detectable_effect < x.these_categories.minimum_detectable_effect


def test_a_clear_difference_is_found_and_has_its_sign():
    for effect, verdict in ((0.05, "higher"), (-0.05, "lower")):
        found = one(drawn(8, 3, effect=effect))
        assert found.these_categories.sure
        assert found.new_categories.sure
        assert found.verdict(found.these_categories) == found.verdict(found.new_categories) == verdict
        assert found.these_categories.low < effect < found.these_categories.high


def test_an_effect_of_one_category_is_true_here_and_unknown_elsewhere():
    differences = {f"c{i}": d for i, d in enumerate(0.001 * np.random.default_rng(0).standard_normal((8, 3)))}
    differences["c0"] += 0.2
    found = one(differences)
    assert found.verdict(found.these_categories) == "higher"
    assert found.verdict(found.new_categories) == "not enough to tell"


@pytest.mark.parametrize("categories", [1, 2, 3, 5])
def test_too_few_categories_can_never_tell_of_new_ones(categories):
    found = one(drawn(categories, 3, effect=0.5))
    assert found.new_categories.minimum_detectable_effect == math.inf
    assert not found.new_categories.sure
    assert found.these_categories.sure
    assert math.isnan(found.new_categories.low) == (categories == 1)


def test_no_spread_at_all():
    same, other = one({"a": [0.0, 0.0], "b": [0.0, 0.0]}), one({"a": [0.01, 0.01], "b": [0.01, 0.01]})
    assert (same.these_categories.p, same.new_categories.p) == (1.0, 1.0)
    assert (other.these_categories.p, other.these_categories.low, other.these_categories.high) == pytest.approx(
        (0.0, 0.01, 0.01)
    )


def test_the_detectable_difference_here_is_found_four_times_in_five():
    within, categories, seeds = 0.02, 4, 4
    rng = np.random.default_rng(0)
    freedom, error = categories * (seeds - 1), within / math.sqrt(categories * seeds)
    from rdpp.comparison.statistics import _noncentrality

    effect = error * _noncentrality(freedom, ALPHA)
    samples = effect + within * rng.standard_normal((20000, categories, seeds))
    errors = np.sqrt((samples.var(2, ddof=1) / seeds).sum(1)) / categories
    t = samples.mean((1, 2)) / errors
    assert np.mean(2 * stats.t.sf(abs(t), freedom) < ALPHA) == pytest.approx(0.8, abs=0.02)


def test_the_detectable_difference_beyond_is_found_four_times_in_five():
    from rdpp.comparison.statistics import _rank_effect

    drawn = np.random.default_rng(1).standard_normal((4000, 12)) + _rank_effect(12, ALPHA)
    assert np.mean(stats.wilcoxon(drawn, axis=1).pvalue < ALPHA) == pytest.approx(0.8, abs=0.03)


def test_the_bootstrap_has_the_spread_of_both_stages():
    """Many groups: the interval is that of a mean whose variance is of groups and of values within them."""
    rng = np.random.default_rng(0)
    groups = [m + 2 * rng.standard_normal(3) for m in rng.standard_normal(200)]
    means = np.array([group.mean() for group in groups])
    within = np.mean([group.var() / 3 for group in groups])
    error = math.sqrt((means.var() + within) / 200)
    low, high = two_stage_bootstrap(groups)
    assert (low + high) / 2 == pytest.approx(means.mean(), abs=0.02)
    assert (high - low) / 2 == pytest.approx(1.96 * error, rel=0.06)


def test_few_groups_get_the_expanded_percentiles():
    """Against every resample of four groups of one value each: plain percentiles would be narrower."""
    values = np.array([0.0, 0.11, 0.17, 0.31])
    means = np.sort(np.mean(list(itertools.product(values, repeat=4)), axis=1))
    share = stats.norm.cdf(-math.sqrt(4 / 3) * stats.t.isf(0.025, 3))
    expected = np.quantile(means, [share, 1 - share])
    plain = np.quantile(means, [0.025, 0.975])
    assert expected[0] < plain[0] - 0.02
    low, high = two_stage_bootstrap([np.array([value]) for value in values])
    assert low == pytest.approx(expected[0], abs=0.015)
    assert high == pytest.approx(expected[1], abs=0.015)


def test_the_bootstrap_takes_groups_of_any_length_and_repeats():
    groups = [np.array([0.0]), np.array([1.0, 1.0, 1.0, 1.0]), np.array([2.0, 2.0])]
    low, high = two_stage_bootstrap(groups)
    assert 0 <= low < 1 < high <= 2
    assert two_stage_bootstrap(groups) == (low, high)


@pytest.fixture
def cheap_collection():
    """statsmodels collects garbage in every call; what is loaded already need not be looked through again."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("cheap_collection")
def test_false_alarms_and_coverage_on_a_small_simulation():
    """A rough check of what scripts/studies/planted_effects.py measures at length."""
    found = [one(drawn(8, 3, between=0.01, seed=s)) for s in range(150)]
    alarms = np.mean([c.new_categories.sure for c in found])
    covered = np.mean([c.new_categories.low <= 0 <= c.new_categories.high for c in found])
    assert alarms < 0.11
    assert covered > 0.88


def test_one_seed_is_not_enough():
    with pytest.raises(ConfigError, match="ot and rd share one seed of a; pairs of at least two seeds are needed"):
        one({"a": [0.1], "b": [0.1, 0.2]})


def test_nothing_shared():
    with pytest.raises(ConfigError, match="ot and rd share no category and seed in image_auroc"):
        one({})


def test_a_verdict_needs_the_corrected_p():
    answer = Answer(0.1, 0.2, 0.01, 0.06, 0.1)
    comparison = Comparison("m", "x", "rd", {"a": 0.1}, 2, 0.8, 0.7, answer, answer)
    assert comparison.verdict(answer) == "not enough to tell"
