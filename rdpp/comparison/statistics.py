"""Is one variant better than another? Paired differences, what they say, and what they could not have said.

The two are asked apart, because they differ in what is drawn at random:

- these categories: would other seeds show the same on these categories? Categories are fixed, seeds are random. The
  mean over categories of the mean difference is tested by Student's t, its standard error from the spread of seeds
  within each category, its degrees of freedom by Welch and Satterthwaite.
- new categories: would other categories show the same? Categories are random. The category means are tested by
  Wilcoxon's signed-rank test; the interval is a bootstrap that resamples categories and then seeds within them.

p values are corrected over the variants of one comparison by Holm's method, for each question and metric.
"""

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from scipy import optimize, stats
from statsmodels.stats.multitest import multipletests

from rdpp.config import require

ALPHA = 0.05
"""Rate of false alarms that is promised, over all variants of a comparison."""
POWER = 0.8
"""Rate at which a true difference of the minimum detectable effect is found."""
_RESAMPLES = 10_000
_DRAWS = 2000
_TIE = 5e-5
"""Differences below half a hundredth of a point print as 0.00 and count as ties."""

Verdict = Literal["higher", "lower", "not enough to tell"]


@dataclass(frozen=True)
class Answer:
    """What the pairs say to one question."""

    low: float
    high: float
    """The 95 % interval of the mean difference."""
    p: float
    p_holm: float
    """Corrected over the variants."""
    minimum_detectable_effect: float
    """The smallest true difference that POWER of such comparisons would find; infinite where none can be found."""

    @property
    def sure(self) -> bool:
        """Whether the corrected p value is below ALPHA."""
        return self.p_holm < ALPHA


@dataclass(frozen=True)
class Comparison:
    """One variant against the baseline in one metric."""

    metric: str
    variant: str
    baseline: str
    by_category: Mapping[str, float]
    """Mean difference (variant - baseline) over seeds."""
    pairs: int
    variant_mean: float
    baseline_mean: float
    """Means over categories of the means over the paired seeds."""
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


Pairs = Mapping[str, np.ndarray]
"""By category: (n,) paired differences, one a seed."""
Values = Mapping[str, Mapping[str, np.ndarray]]
"""By variant and category: (n, 2), the variant's and the baseline's value of each paired seed."""


def compare(metric: str, baseline: str, values: Values) -> list[Comparison]:
    """Compare every variant with the baseline.

    Args:
        metric: its name.
        baseline: its name.
        values: every category has at least two seeds.

    Raises:
        ConfigError: a variant without a category, or a category with one seed.
    """
    for variant, categories in values.items():
        require(len(categories) > 0, f"{variant} and {baseline} share no category and seed in {metric}")
        for category, pairs in categories.items():
            require(
                len(pairs) >= 2,
                f"{variant} and {baseline} share one seed of {category}; pairs of at least two seeds are needed to "
                "tell a difference from chance",
            )
    drawn = {name: {c: pairs[:, 0] - pairs[:, 1] for c, pairs in by.items()} for name, by in values.items()}
    of_these = _corrected([_of_these_categories(pairs, len(drawn)) for pairs in drawn.values()])
    of_new = _corrected([_of_new_categories(pairs, len(drawn)) for pairs in drawn.values()])
    return [
        Comparison(
            metric,
            variant,
            baseline,
            by_category={category: float(np.mean(d)) for category, d in drawn[variant].items()},
            pairs=sum(len(d) for d in drawn[variant].values()),
            variant_mean=_mean(pairs[:, 0] for pairs in values[variant].values()),
            baseline_mean=_mean(pairs[:, 1] for pairs in values[variant].values()),
            these_categories=these,
            new_categories=new,
        )
        for variant, these, new in zip(values, of_these, of_new, strict=True)
    ]


def _mean(groups: Iterable[np.ndarray]) -> float:
    return float(np.mean([group.mean() for group in groups]))


def _corrected(answers: Sequence[Answer]) -> list[Answer]:
    if not answers:
        return []
    corrected = np.asarray(multipletests([answer.p for answer in answers], method="holm")[1])
    return [dataclasses.replace(answer, p_holm=float(p)) for answer, p in zip(answers, corrected, strict=True)]


def _of_these_categories(pairs: Pairs, variants: int) -> Answer:
    """Student's t over seeds, stratified by category."""
    counts = np.array([len(d) for d in pairs.values()])
    parts = np.array([np.var(d, ddof=1) for d in pairs.values()]) / counts  # variances of the category means
    mean = float(np.mean([d.mean() for d in pairs.values()]))
    error = math.sqrt(parts.sum()) / len(pairs)
    if error == 0:
        return Answer(mean, mean, float(mean == 0), float(mean == 0), 0.0)
    freedom = float(parts.sum() ** 2 / (parts**2 / (counts - 1)).sum())
    p = float(2 * stats.t.sf(abs(mean) / error, freedom))
    reach = float(stats.t.isf(ALPHA / 2, freedom)) * error
    likely = error * _median_unbiased(freedom)
    return Answer(mean - reach, mean + reach, p, p, likely * _noncentrality(freedom, ALPHA / variants))


def _of_new_categories(pairs: Pairs, variants: int) -> Answer:
    """Wilcoxon over category means, a bootstrap of two stages for the interval."""
    means = np.array([d.mean() for d in pairs.values()])
    p = float(np.asarray(stats.wilcoxon(means))[1]) if means.any() and len(means) > 1 else 1.0
    low, high = two_stage_bootstrap(list(pairs.values()))
    effect = _rank_effect(len(means), ALPHA / variants)
    if math.isinf(effect):
        return Answer(low, high, p, p, effect)
    minimum_detectable_effect = effect * float(np.std(means, ddof=1)) * _median_unbiased(len(means) - 1)
    return Answer(low, high, p, p, minimum_detectable_effect)


def _median_unbiased(freedom: float) -> float:
    """The factor that makes a standard deviation of normal numbers as often too large as too small."""
    return math.sqrt(freedom / float(stats.chi2.ppf(0.5, freedom)))


def two_stage_bootstrap(groups: Sequence[np.ndarray], seed: int = 0) -> tuple[float, float]:
    """95 % interval of the mean over groups of their means: resample groups, then values within each.

    Percentiles are taken further out than 2.5 and 97.5, for few groups spread less in the sample than they do:
    Hesterberg, "What Teachers Should Know About the Bootstrap", 2015, section 4.6 (expanded percentile interval).

    Args:
        groups: the values of each group, of any length.
        seed: of the resampling.
    """
    rng = np.random.default_rng(seed)
    count, longest = len(groups), max(len(group) for group in groups)
    if count < 2:
        return math.nan, math.nan
    lengths = np.array([len(group) for group in groups])
    table = np.stack([np.pad(group, (0, longest - len(group))) for group in groups])
    chosen = rng.integers(count, size=(_RESAMPLES, count))
    picks = (rng.random((_RESAMPLES, count, longest)) * lengths[chosen][..., None]).astype(int)
    within = np.arange(longest) < lengths[chosen][..., None]
    values = np.where(within, table[chosen[..., None], picks], 0.0)
    means = (values.sum(2) / lengths[chosen]).mean(1)
    share = float(stats.norm.cdf(-math.sqrt(count / (count - 1)) * stats.t.isf(ALPHA / 2, count - 1)))
    low, high = np.quantile(means, [share, 1 - share])
    return float(low), float(high)


@lru_cache
def _noncentrality(freedom: float, alpha: float) -> float:
    """The true difference, in standard errors, that a t test at this level finds at the rate POWER."""
    quantiles = (np.arange(_DRAWS) + 0.5) / _DRAWS
    bars = stats.t.isf(alpha / 2, freedom) * np.sqrt(stats.chi2.ppf(quantiles, freedom) / freedom)

    def shortfall(shift: float) -> float:
        return float(np.mean(stats.norm.cdf(shift - bars) + stats.norm.cdf(-shift - bars))) - POWER

    root: Any = optimize.brentq(shortfall, 0.0, float(bars.max()) + 10.0)
    return float(root)


@lru_cache
def _rank_effect(count: int, alpha: float) -> float:
    """The true mean of `count` normal numbers, in their standard deviations, at which a signed-rank test at this level
    rejects at the rate POWER; infinite where their number is too small for it ever to reject."""
    if 2.0 ** (1 - count) >= alpha:
        return math.inf
    drawn = np.random.default_rng(0).standard_normal((_DRAWS, count))
    chances = np.ones(1)  # of each sum of positive ranks, where signs are tossed
    for rank in range(1, count + 1):
        chances = np.convolve(chances, [0.5, *[0.0] * (rank - 1), 0.5])
    bar = int(np.sum(2 * np.cumsum(chances) < alpha)) - 1  # sums up to this one are rejected, and as many at the top

    def shortfall(shift: float) -> float:
        values = drawn + shift
        ranks = abs(values).argsort(1).argsort(1) + 1
        lower = np.minimum((ranks * (values > 0)).sum(1), (ranks * (values < 0)).sum(1))
        return float(np.mean(lower <= bar)) - POWER

    root: Any = optimize.bisect(shortfall, 0.0, 20.0, xtol=0.005)
    return float(root)
