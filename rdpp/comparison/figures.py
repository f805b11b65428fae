"""Pictures of a comparison."""

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from rdpp.comparison.statistics import Comparison

_THESE, _NEW, _CATEGORY = "#0b5394", "#9fc5e8", "#7f6000"
MOST_SHOWN = 60
"""Variants in a picture: nobody reads more, and matplotlib draws none of more than about a thousand rows."""


def _highest(comparisons: Sequence[Comparison]) -> list[str]:
    """The variants that are shown, in their order."""
    sums: dict[str, float] = {}
    for c in comparisons:
        sums[c.variant] = sums.get(c.variant, 0.0) + c.difference
    shown = set(sorted(sums, key=lambda variant: -sums[variant])[:MOST_SHOWN])
    return [variant for variant in sums if variant in shown]


def differences(comparisons: Sequence[Comparison]) -> bytes:
    """A PNG: one panel a metric, one row a variant.

    Thick bars: interval for these categories; thin ones: for new categories, both at the corrected level; small dots:
    the categories. Filled points have a verdict for these categories, hollow ones have none. Of more than MOST_SHOWN
    variants those with the highest sum of differences are shown.
    """
    metrics = list(dict.fromkeys(c.metric for c in comparisons))
    every = list(dict.fromkeys(c.variant for c in comparisons))
    variants = _highest(comparisons)
    comparisons = [c for c in comparisons if c.variant in variants]
    of = f", {len(variants)} of {len(every)} variants, those with the highest" if len(variants) < len(every) else ""
    figure = Figure(figsize=(3.2 * len(metrics) + 1.2, 1.6 + 0.45 * len(variants)), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(metrics), sharey=True))
    for panel, metric in zip(panels, metrics, strict=True):
        panel.axvline(0, color="0.6", linewidth=0.8)
        for c in (c for c in comparisons if c.metric == metric):
            row = variants.index(c.variant)
            for answer, colour, width in ((c.new_categories, _NEW, 2), (c.these_categories, _THESE, 4)):
                panel.plot([100 * answer.low, 100 * answer.high], [row] * 2, color=colour, linewidth=width, zorder=1)
            values = [100 * value for value in c.by_category.values()]
            panel.plot(values, [row + 0.2] * len(values), ".", color=_CATEGORY, markersize=4, zorder=3)
            fill = _THESE if c.these_categories.sure else "white"
            panel.plot(100 * c.difference, row, "o", color=_THESE, markerfacecolor=fill, markersize=7, zorder=4)
        panel.set_title(metric, fontsize=10)
        panel.set_xlabel("points")
        panel.set_yticks(range(len(variants)), variants)
    panels[0].invert_yaxis()
    baseline = comparisons[0].baseline
    figure.suptitle(f"Difference from {baseline}{of}: higher is better", fontsize=11)
    legend = [
        panels[0].plot([], [], color=_THESE, linewidth=4, label="interval, these categories")[0],
        panels[0].plot([], [], color=_NEW, linewidth=2, label="interval, new categories")[0],
        panels[0].plot([], [], ".", color=_CATEGORY, label="one category")[0],
    ]
    figure.legend(handles=legend, loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130)
    return buffer.getvalue()
