"""Pairing the runs of variants with those of a baseline."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from rdpp.comparison.search import RunSet
from rdpp.comparison.statistics import Comparison, Values, compare
from rdpp.config import ConfigError, choose, decode, require
from rdpp.metrics import METRICS

HEADLINE = ("image_auroc", "pixel_auroc", "pixel_aupro")


@dataclass(frozen=True)
class Published:
    """Figures from a paper, in per cent: a further row, never tested."""

    name: str
    source: str
    metrics: Mapping[str, float]

    def __post_init__(self) -> None:
        for metric in self.metrics:
            choose(metric, METRICS, "metric")


@dataclass(frozen=True)
class Compared:
    """All that a comparison says."""

    collection: RunSet
    baseline: str
    metrics: tuple[str, ...]
    comparisons: tuple[Comparison, ...]
    means: Mapping[str, Mapping[str, float]]
    """By variant and metric. Means over categories of the means over all seeds."""
    published: tuple[Published, ...]
    notes: tuple[str, ...]

    def of(self, metric: str) -> list[Comparison]:
        """The comparisons in one metric."""
        return [c for c in self.comparisons if c.metric == metric]


def compare_runs(
    collection: RunSet,
    baseline: str | None = None,
    metrics: Sequence[str] | None = None,
    published: Sequence[Published] = (),
) -> Compared:
    """Pair every variant's runs with the baseline's, by category and seed, and compare.

    Raises:
        ConfigError: an unknown baseline or metric, runs that share no cell, or a single seed.
    """
    baseline = baseline or collection.baseline or collection.variants[0]
    choose(baseline, collection.variants, "baseline")
    frame = collection.frame()
    known = [name for name in frame.columns if name.removeprefix("held_out/") in METRICS]
    for name in metrics or ():
        choose(name, known, "metric (of these runs)")
    names = tuple(metrics or (name for name in HEADLINE if name in known))
    others = [name for name in collection.variants if name != baseline]
    require(len(others) > 0, f"only one variant ({baseline}) in {collection.title}; comparing needs two")
    notes = list(collection.notes)
    comparisons: list[Comparison] = []
    for metric in names:
        values, left_out = pair(frame, metric, baseline, others)
        notes += [note for note in left_out if note not in notes]
        comparisons += compare(metric, baseline, values)
    means = category_means(frame, names)
    means = {name: means[name] for name in collection.variants}
    return Compared(collection, baseline, names, tuple(comparisons), means, tuple(published), tuple(notes))


def pair(frame: pd.DataFrame, metric: str, baseline: str, others: Sequence[str]) -> tuple[Values, list[str]]:
    """The values of every variant beside the baseline's, and what had to be left out.

    Two runs are a pair if they share category, seed, all training and test images, and the method's version.

    Raises:
        ConfigError: no variant shares two seeds of a category with the baseline.
    """
    table = frame.pivot(index=["category", "seed"], columns="variant", values=metric)
    shared = frame.pivot(index=["category", "seed"], columns="variant", values="shared")
    values: dict[str, dict[str, np.ndarray]] = {}
    notes: list[str] = []
    most = 0
    for name in others:
        both = table[[name, baseline]].dropna()
        alike = (shared[name] == shared[baseline]).loc[both.index]
        if not alike.all():
            which = ", ".join(f"{category} seed {seed}" for category, seed in both.index[~alike])
            notes.append(
                f"{name}: no pairs with {baseline}, since their images or the method's version differ: {which}; "
                "run them again (rdpp ablate, rdpp train)"
            )
            both = both[alike]
        groups = {str(category): group.to_numpy() for category, group in both.groupby(level="category")}
        most = max([most, *map(len, groups.values())])
        enough = {category: pairs for category, pairs in groups.items() if len(pairs) >= 2}
        short = [f"{category} ({len(pairs)} seed)" for category, pairs in groups.items() if len(pairs) < 2]
        if short and enough:
            notes.append(f"{name}: left out for lack of a second seed: {', '.join(short)}")
        if enough:
            values[name] = enough
        elif most != 1:
            notes.append(f"{name} shares no two seeds of a category with {baseline}; it is left out")
    if not values and most == 0:
        raise ConfigError(
            f"{', '.join(others)} share no category and seed with the baseline {baseline}; "
            "train them on the same categories and seeds, or name another with --baseline"
        )
    require(
        bool(values),
        f"one seed a category is shared with the baseline {baseline}; pairs of at least two seeds are needed to "
        "tell a difference from chance (--seeds 1,2,3)",
    )
    return values, notes


def category_means(frame: pd.DataFrame, names: Sequence[str]) -> dict[str, dict[str, float]]:
    """By variant and column: the mean over categories of the means over seeds."""
    by_category = frame.groupby(["variant", "category"])[list(names)].mean()
    table = by_category.groupby("variant").mean()
    return {str(variant): {name: float(row[name]) for name in names} for variant, row in table.iterrows()}


def read_published(path: Path | None) -> list[Published]:
    """Published figures from a YAML list.

    Raises:
        ConfigError: no such file, or not such a list.
    """
    if path is None:
        return []
    if not path.is_file():
        raise ConfigError(f"no file {path}; give a YAML list of name, source and metrics")
    try:
        return list(decode(tuple[Published, ...], yaml.safe_load(path.read_text()), str(path)))
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
