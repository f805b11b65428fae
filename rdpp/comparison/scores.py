"""How a category's test images are told apart by their scores: ROC curves and histograms of a few variants."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rdpp.comparison.search import RunSet
from rdpp.comparison.shown import MOST_VARIANTS, shown_categories, shown_runs
from rdpp.tracking.conventions.artifacts import IMAGE_SCORES
from rdpp.tracking.store.mlflow_store import Store

BINS = 20


@dataclass(frozen=True)
class VariantScores:
    """The scores of one run."""

    variant: str
    auroc: float
    roc: tuple[tuple[float, float], ...]
    """From (0, 0) to (1, 1): share of good images above a threshold, and of defective ones."""
    good: tuple[float, ...]
    """Share of the good images in each of BINS equal ranges of scores."""
    defective: tuple[float, ...]
    """The same of the defective images, in the same ranges."""
    low: float
    high: float
    """Ends of all ranges: the lowest and the highest score."""

    @property
    def highest(self) -> float:
        """The largest share in a range."""
        return max(*self.good, *self.defective)


@dataclass(frozen=True)
class CategoryScores:
    """Those of the runs on one category with one seed."""

    category: str
    seed: int
    variants: tuple[VariantScores, ...]


def category_scores(store: Store, run_set: RunSet) -> tuple[list[CategoryScores], list[str]]:
    """Scores of each category, with the first seed that most variants have, of at most MOST_VARIANTS variants.

    Returns:
        The scores, and for each category without any the reason.
    """
    found: list[CategoryScores] = []
    missing: list[str] = []
    for category in shown_categories(run_set):
        runs = shown_runs(run_set, [run for run in run_set.runs if run.category == category], MOST_VARIANTS)
        tables = {name: store.read_json(run.run_id, IMAGE_SCORES) for name, run in runs.items()}
        read = [_scores(name, table) for name, table in tables.items() if table is not None]
        known = tuple(scores for scores in read if scores is not None)
        if known:
            found.append(CategoryScores(category, next(iter(runs.values())).seed, known))
        else:
            why = "its test images are all good, or all defective" if read else f"no run has its {IMAGE_SCORES}"
            missing.append(f"{category}: no ROC curve, since {why}")
    return found, missing


def _scores(variant: str, table: Mapping[str, Any]) -> VariantScores | None:
    """None where one of the two kinds of images is missing."""
    rows = {name: [row[place] for row in table["data"]] for place, name in enumerate(table["columns"])}
    scores, labels = np.array(rows["score"], dtype=float), np.array(rows["defective"], dtype=bool)
    if labels.all() or not labels.any():
        return None
    from sklearn.metrics import roc_curve  # takes a second, which `rdpp compare` should not wait for

    false, true, _ = roc_curve(labels, scores)
    edges = np.linspace(scores.min(), scores.max(), BINS + 1)
    points = tuple((float(x), float(y)) for x, y in zip(false, true, strict=True))
    shares = [_shares(scores[of], edges) for of in (~labels, labels)]
    return VariantScores(
        variant, float(np.trapezoid(true, false)), points, shares[0], shares[1], float(edges[0]), float(edges[-1])
    )


def _shares(scores: np.ndarray, edges: np.ndarray) -> tuple[float, ...]:
    counts, _ = np.histogram(scores, edges)
    return tuple(float(share) for share in counts / len(scores))
