"""Which runs a report looks into: pictures and scores are read of few, whatever their number."""

from collections.abc import Mapping, Sequence

from rdpp.comparison.pairing import HEADLINE
from rdpp.comparison.search import RunSet, TrainedRun

MOST_CATEGORIES = 20
MOST_VARIANTS = 6
"""Whose scores and logged pictures stand beside each other."""


def shown_categories(run_set: RunSet) -> list[str]:
    """The first ones in the order of their names."""
    return sorted({run.category for run in run_set.runs})[:MOST_CATEGORIES]


def shown_runs(run_set: RunSet, runs: Sequence[TrainedRun], most: int) -> dict[str, TrainedRun]:
    """Runs with one seed, by variant, in the variants' order: with the first seed that most variants have.

    Args:
        run_set: that the runs are from.
        runs: of one category.
        most: variants; of more the baseline is taken, and those that are highest in the headline metrics.
    """
    alike = _one_seed(runs)

    def place(name: str) -> tuple[bool, float]:
        return name != run_set.baseline, -sum(alike[name].metrics.get(metric, 0.0) for metric in HEADLINE)

    shown = set(sorted(alike, key=place)[:most])
    return {name: alike[name] for name in run_set.variants if name in shown}


def _one_seed(runs: Sequence[TrainedRun]) -> Mapping[str, TrainedRun]:
    seeds: dict[int, dict[str, TrainedRun]] = {}
    for run in runs:
        seeds.setdefault(run.seed, {})[run.variant] = run
    return max(seeds.values(), key=len, default={})  # the first of those with the most variants
