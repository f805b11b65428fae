"""Is one variant better than another? Paired differences, what they say, and what they could not have said.

Two questions are asked apart, because they differ in what is drawn at random:

- these categories: would other seeds show the same on these categories? The units are the pairs of runs.
- new categories: would other categories show the same? The units are the means of the categories.

One exact test answers both. If a variant does what the baseline does, each unit's difference is as likely to have the
other sign. So signs are flipped, and the mean difference is set against all the means that flipped signs would have
given. Neither a normal distribution nor equal spread is assumed, and equal differences are no certainty: n units of
one sign give p = 2^(1-n), whatever their spread. The interval holds every difference that the same test, at the same
level, does not reject. So it leaves out 0 just where the test finds something.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from rdpp.config import require

ALPHA = 0.05
"""Rate of false alarms that is promised, over all variants and metrics of a comparison, for each question."""
POWER = 0.8
"""Rate at which a true difference of the minimum detectable effect is found, at least."""
_REJECTED = 10
"""So many flips at least lie beyond each end of an interval, if not every flip is tried."""
_DRAWS = 2000
_AT_ONCE, _MOST = 2**22, 2**26  # means of flips in memory, and altogether, where many data sets are asked
_ROUNDING = 1e-12
_TIE = 5e-5
"""Differences below half a hundredth of a point print as 0.00 and count as ties."""

Verdict = Literal["higher", "lower", "not enough to tell"]


@dataclass(frozen=True)
class Answer:
    """What the differences say to one question."""

    units: int
    """Pairs of runs, or categories."""
    least: int
    """The smallest number of units that can give a verdict; see `least_units`."""
    low: float
    high: float
    """The interval of the mean difference at the level 1 - ALPHA / comparisons; NaN where there are too few units."""
    p: float
    p_corrected: float
    """Bonferroni's: p times the number of comparisons, at most 1."""
    minimum_detectable_effect: float
    """The true difference that at least POWER of such comparisons find; infinite where none can find any, NaN where
    there is no spread to judge by."""

    @property
    def sure(self) -> bool:
        """Whether the corrected p value is at most ALPHA: then, and only then, the interval leaves out 0."""
        return self.p_corrected <= ALPHA


@dataclass(frozen=True)
class Comparison:
    """One variant against the baseline in one metric."""

    metric: str
    variant: str
    baseline: str
    by_category: Mapping[str, float]
    """Mean difference (variant - baseline) over seeds."""
    pairs: int
    seeds: int
    """Of the category that has fewest. With one, nothing is tested."""
    variant_mean: float
    baseline_mean: float
    """Means over categories of the means over the paired seeds: `difference` is the one less the other."""
    these_categories: Answer
    """Would other seeds show the same on these categories?"""
    new_categories: Answer
    """Would other categories show the same?"""

    @property
    def difference(self) -> float:
        """Mean over categories."""
        return float(np.mean(list(self.by_category.values())))

    @property
    def wins_ties_losses(self) -> tuple[int, int, int]:
        """Categories in which the variant is higher, level and lower."""
        values = np.array(list(self.by_category.values()))
        return int((values > _TIE).sum()), int((abs(values) <= _TIE).sum()), int((values < -_TIE).sum())

    def verdict(self, answer: Answer) -> Verdict:
        """In words."""
        if not answer.sure:
            return "not enough to tell"
        return "higher" if self.difference > 0 else "lower"


Values = Mapping[str, Mapping[str, np.ndarray]]
"""By variant and category: (n, 2), the variant's and the baseline's value of each paired seed."""


def compare(baseline: str, values: Mapping[str, Values]) -> list[Comparison]:
    """Compare every variant with the baseline in every metric.

    Each question has one family: all variants and all metrics that are given. Bonferroni's correction keeps the rate
    of any false alarm in it below ALPHA, however the metrics and variants hang together (they share the baseline's
    runs). It is a single step, unlike Holm's, so the interval can have the same level as the p value.

    Args:
        baseline: its name.
        values: by metric.

    Raises:
        ConfigError: a variant without a category.
    """
    family = sum(map(len, values.values()))
    return [
        _compared(metric, variant, baseline, pairs, ALPHA / family)
        for metric, by_variant in values.items()
        for variant, pairs in by_variant.items()
    ]


def _compared(metric: str, variant: str, baseline: str, values: Mapping[str, np.ndarray], alpha: float) -> Comparison:
    require(len(values) > 0, f"{variant} and {baseline} share no category and seed in {metric}")
    differences = [(pairs[:, 0] - pairs[:, 1])[:, None] for pairs in values.values()]
    seeds = min(map(len, differences))
    # one seed is not tested: a study's many trials would wait for what nobody is told
    these, new = ask(differences, alpha) if seeds > 1 else (None, None)
    count = sum(map(len, differences))
    return Comparison(
        metric,
        variant,
        baseline,
        by_category={category: float(d.mean()) for category, d in zip(values, differences, strict=True)},
        pairs=count,
        seeds=seeds,
        variant_mean=_mean(pairs[:, 0] for pairs in values.values()),
        baseline_mean=_mean(pairs[:, 1] for pairs in values.values()),
        these_categories=_answer(these, alpha, count),
        new_categories=_answer(new, alpha, len(differences)),
    )


def _mean(groups: Iterable[np.ndarray]) -> float:
    return float(np.mean([group.mean() for group in groups]))


def _answer(found: "Asked | None", alpha: float, units: int) -> Answer:
    least = least_units(alpha)
    if found is None:
        return Answer(units, least, math.nan, math.nan, 1.0, 1.0, math.inf)
    low, high, p, effect = (float(of[0]) for of in (found.low, found.high, found.p, found.minimum_detectable_effect))
    return Answer(units, least, low, high, p, min(1.0, p * ALPHA / alpha), effect)


@dataclass(frozen=True)
class Asked:
    """What R data sets say to one question, each by itself."""

    units: int
    low: np.ndarray
    high: np.ndarray
    p: np.ndarray
    """(R,), as in `Answer`; p is not corrected."""
    minimum_detectable_effect: np.ndarray


def ask(differences: Sequence[np.ndarray], alpha: float) -> tuple[Asked, Asked]:
    """Both questions of many data sets at once: these categories, new categories. `compare` asks them of one; the
    simulations in scripts/studies ask them of thousands.

    Args:
        differences: for each category (n, R): n seeds of R data sets.
        alpha: level of one comparison.
    """
    means = np.stack([d.mean(0) for d in differences])
    # categories weigh the same, whatever the number of their seeds
    weights = np.concatenate([np.full(len(d), 1 / len(d)) for d in differences])
    return _asked(np.concatenate(differences), weights, alpha), _asked(means, np.ones(len(means)), alpha)


def _asked(differences: np.ndarray, weights: np.ndarray, alpha: float) -> Asked:
    effect = minimum_detectable_effect(differences, weights, alpha)
    return Asked(len(differences), *sign_flips(differences, weights, alpha), effect)


def least_units(alpha: float) -> int:
    """The smallest n for which n differences of one sign have p = 2^(1-n) of at most alpha. Any smaller p from fewer
    would come from an assumed distribution, and not from the differences."""
    return math.ceil(1 - math.log2(alpha))


def sign_flips(differences: np.ndarray, weights: np.ndarray, alpha: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The exact sign-flip test of a weighted mean, and its interval, of many data sets at once.

    Flipping the signs of the units S makes the mean no smaller just where the mean of S alone is at most 0. So the
    means of all subsets are the whole test, and their order statistics bound the interval: J. A. Hartigan, "Using
    subsample values as typical values", JASA 1969.

    Args:
        differences: (N, R), N units of R data sets.
        weights: (N,), of the units in the mean.
        alpha: level of the interval, both ends together.

    Returns:
        Low and high ends (R,) and p values (R,). The ends are NaN where so few units cannot reach the level.
    """
    found, portion = [], max(1, _AT_ONCE // len(_subsets(len(differences), alpha)))
    for start in range(0, differences.shape[1], portion):
        means = _subset_means(differences[:, start : start + portion], weights, alpha)
        flips = means.shape[1] + 1  # one of them flips nothing
        above, below = (1 + (means <= 0).sum(1)) / flips, (1 + (means >= 0).sum(1)) / flips
        p = np.minimum(1, 2 * np.minimum(above, below))
        ends, beyond = np.full((2, len(p)), np.nan), math.floor(alpha / 2 * flips)
        if beyond:
            order = [beyond - 1, flips - 1 - beyond]
            ends = np.partition(means, order, axis=1)[:, order].T
        found.append([*ends, p])
    low, high, p = np.concatenate(found, axis=1)
    return low, high, p


def _subset_means(differences: np.ndarray, weights: np.ndarray, alpha: float) -> np.ndarray:
    """(R, flips - 1): the weighted mean of each subset; those that rounding alone keeps from 0 are 0."""
    subsets = _subsets(len(differences), alpha)
    means = (differences.T * weights) @ subsets.T / (subsets @ weights)
    means[abs(means) < _ROUNDING] = 0
    return means


@lru_cache(maxsize=16)
def _subsets(units: int, alpha: float) -> np.ndarray:
    """(flips - 1, units) of 0 and 1: which units each flip flips, without the one that flips nothing.

    All flips of few units. Of many units a subgroup of them: the flips of the first units, where each further unit
    goes with a set of its own of the first ones. A test with a subgroup is exact too (W. Hoeffding, 1952), which one
    with flips drawn at random would be on average only.
    """
    free = min(units, math.ceil(math.log2(2 * _REJECTED / alpha)))
    own = np.arange(1, 2**free)[:, None] >> np.arange(free) & 1
    several = [number for number in range(2**free) if number.bit_count() > 1] if units > free else []
    drawn = np.random.default_rng(0).choice(several, units - free) if several else np.empty(0, int)
    others = own @ (drawn >> np.arange(free)[:, None] & 1) % 2
    return np.concatenate([own, others], axis=1).astype(float)


def minimum_detectable_effect(differences: np.ndarray, weights: np.ndarray, alpha: float) -> np.ndarray:
    """The true difference that POWER of comparisons like each one find, judged by the spread of its own differences.

    Args:
        differences: (N, R).
        weights: (N,), of the units in the mean.
        alpha: level of one comparison.

    Returns:
        (R,); infinite where so few units can find nothing, NaN where there is no spread.
    """
    count, shares = len(differences), weights / weights.sum()
    if count < least_units(alpha):
        return np.full(differences.shape[1], math.inf)
    parts = shares[:, None] * (differences - shares @ differences)
    spread = count * np.sqrt((parts**2).sum(0) / (count - 1))  # the standard deviation, where all weigh the same
    return np.where(spread > _ROUNDING, _detectable(count, alpha) * spread, math.nan)


@lru_cache(maxsize=64)
def _detectable(count: int, alpha: float) -> float:
    """The same in standard deviations, as they are estimated from `count` differences.

    A true difference moves the whole interval. So it is found if it is larger than the low end, below 0, of an interval
    without it. The estimate is drawn as well as the interval: by the true deviation alone, a difference of the size
    that a comparison tells would be found in 76 % where 80 % are told. And both are drawn from Student's t with two
    degrees of freedom: what holds for tails so heavy holds for unequal categories too, and for normal differences it
    is more than told (scripts/studies/false_alarms.py).
    """
    draws = min(_DRAWS, _MOST // len(_subsets(count, alpha)))
    first, second = np.random.default_rng(0).standard_t(2, (2, count, draws))
    low, _, _ = sign_flips(second, np.ones(count), alpha)
    return float(np.quantile(-low / first.std(0, ddof=1), POWER))
