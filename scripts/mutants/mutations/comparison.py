"""Mutations of rdpp/comparison."""

from mutations.mutation import Mutation

_STATISTICS = "tests/comparison/test_statistics.py"

MUTATIONS = [
    Mutation(
        "statistics: seeds as if one category",
        "rdpp/comparison/statistics.py",
        "math.sqrt(parts.sum()) / len(pairs)",
        "math.sqrt(parts.sum())",
        _STATISTICS,
    ),
    Mutation(
        "statistics: no correction", "rdpp/comparison/statistics.py", 'method="holm"', 'method="fdr_bh"', _STATISTICS
    ),
    Mutation(
        "statistics: uncorrected p decides",
        "rdpp/comparison/statistics.py",
        "return self.p_holm < ALPHA",
        "return self.p < ALPHA",
        _STATISTICS,
    ),
    Mutation(
        "statistics: seeds not resampled",
        "rdpp/comparison/statistics.py",
        "(rng.random((_RESAMPLES, count, longest)) * lengths[chosen][..., None])",
        "(0 * rng.random((_RESAMPLES, count, longest)) + np.arange(longest))",
        _STATISTICS,
    ),
    Mutation(
        "compare: the sign of a difference",
        "rdpp/comparison/statistics.py",
        "pairs[:, 0] - pairs[:, 1]",
        "pairs[:, 1] - pairs[:, 0]",
        _STATISTICS,
    ),
    Mutation(
        "compare: runs on other images are pairs",
        "rdpp/comparison/pairing.py",
        "both = both[alike]",
        "pass",
        "tests/comparison/test_compare.py",
    ),
    Mutation(
        "statistics: percentiles are not expanded",
        "rdpp/comparison/statistics.py",
        "share = float(stats.norm.cdf(-math.sqrt(count / (count - 1)) * stats.t.isf(ALPHA / 2, count - 1)))",
        "share = ALPHA / 2",
        "tests/comparison/test_statistics.py",
    ),
]
