"""Mutations of rdpp/comparison."""

from mutations.mutation import Mutation

_CODE = "rdpp/comparison/statistics.py"
_STATISTICS = "tests/comparison/test_statistics.py"
_COMPARE = "tests/comparison/test_compare.py"

MUTATIONS = [
    Mutation("statistics: no correction", _CODE, "min(1.0, p * ALPHA / alpha)", "p", _STATISTICS),
    Mutation(
        "statistics: metrics are families of their own",
        _CODE,
        "family = sum(map(len, values.values()))",
        "family = max(map(len, values.values()))",
        _STATISTICS,
    ),
    Mutation(
        "statistics: the interval is not corrected",
        _CODE,
        "math.floor(alpha / 2 * flips)",
        "math.floor(ALPHA / 2 * flips)",
        _STATISTICS,
    ),
    Mutation(
        "statistics: uncorrected p decides",
        _CODE,
        "return self.p_corrected <= ALPHA",
        "return self.p <= ALPHA",
        _STATISTICS,
    ),
    Mutation(
        "statistics: the flip that flips nothing does not count",
        _CODE,
        "above, below = (1 + (means <= 0).sum(1)) / flips",
        "above, below = ((means <= 0).sum(1)) / flips",
        _STATISTICS,
    ),
    Mutation(
        "statistics: rounding breaks ties",
        _CODE,
        "means[abs(means) < _ROUNDING] = 0",
        "pass",
        f"{_STATISTICS} -k cancel",
    ),
    Mutation(
        "statistics: categories weigh by their seeds",
        _CODE,
        "np.full(len(d), 1 / len(d)) for d",
        "np.full(len(d), 1.0) for d",
        _STATISTICS,
    ),
    Mutation(
        "statistics: power as if the spread were known",
        _CODE,
        "-low / first.std(0, ddof=1)",
        "-low",
        _STATISTICS,
    ),
    Mutation(
        "compare: the sign of a difference",
        _CODE,
        "pairs[:, 0] - pairs[:, 1]",
        "pairs[:, 1] - pairs[:, 0]",
        _STATISTICS,
    ),
    Mutation(
        "compare: unlike runs are pairs",
        "rdpp/comparison/pairing.py",
        "both & ~cells.isin(list(differing))",
        "both",
        _COMPARE,
    ),
    Mutation(
        "compare: means over whatever each variant has",
        "rdpp/comparison/pairing.py",
        "common = table[having].dropna()",
        "common = table[having]",
        _COMPARE,
    ),
    Mutation(
        "report: trials are ranked from the worst",
        "rdpp/comparison/trials.py",
        '-run.metrics.get("objective", -np.inf)',
        'run.metrics.get("objective", np.inf)',
        "tests/comparison/test_report.py -k what_chose",
    ),
    Mutation(
        "report: a picture has a row for each of thousands of variants",
        "rdpp/comparison/figures.py",
        "key=lambda variant: -sums[variant])[:MOST_SHOWN]",
        "key=lambda variant: -sums[variant])",
        "tests/comparison/test_report.py -k many_variants",
    ),
    Mutation(
        "compare: one seed is tested",
        _CODE,
        "ask(differences, alpha) if seeds > 1 else (None, None)",
        "ask(differences, alpha)",
        f"{_STATISTICS} -k one_seed",
    ),
    Mutation(
        "window: the first epochs",
        "rdpp/comparison/window.py",
        "sorted(by_epoch)[-count:]",
        "sorted(by_epoch)[:count]",
        "tests/comparison/test_window.py",
    ),
    Mutation(
        "window: held-out values under the name of the test images",
        "rdpp/comparison/window.py",
        'return name if name.startswith(HELD_OUT) or not watched_held_out else f"{AUDIT}{name}"',
        'return name if name.startswith(HELD_OUT) or not watched_held_out else f"{HELD_OUT}{name}"',
        "tests/comparison/test_window.py",
    ),
    Mutation(
        "report: the last epoch's picture is shown instead of the chosen one's",
        "rdpp/comparison/logged_pictures.py",
        'if frame["epoch"] == gallery["chosen"]]',
        "]",
        "tests/comparison/test_logged_pictures.py",
    ),
    Mutation(
        "report: held-out images are shown as test images",
        "rdpp/comparison/logged_pictures.py",
        'if not picture["held_out"]:',
        "if True:",
        "tests/comparison/test_logged_pictures.py",
    ),
    Mutation(
        "report: images of few variants come first",
        "rdpp/comparison/logged_pictures.py",
        "key=lambda title: -counts[title])",
        "key=lambda title: counts[title])",
        "tests/comparison/test_logged_pictures.py",
    ),
    Mutation(
        "report: good and defective images change places in the histograms",
        "rdpp/comparison/scores.py",
        "for of in (~labels, labels)]",
        "for of in (labels, ~labels)]",
        "tests/comparison/test_scores.py",
    ),
    Mutation(
        "report: scores of all variants are read",
        "rdpp/comparison/scores.py",
        "MOST_VARIANTS)\n",
        "1000)\n",
        "tests/comparison/test_scores.py",
    ),
]
