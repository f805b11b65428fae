"""Pairing the runs of variants with those of a baseline."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from rdpp.comparison.search import RunSet
from rdpp.comparison.statistics import Comparison, Values, compare
from rdpp.config import ConfigError, choose, decode, require
from rdpp.metrics import METRICS
from rdpp.yaml_file import parse_yaml

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

    run_set: RunSet
    baseline: str
    metrics: tuple[str, ...]
    comparisons: tuple[Comparison, ...]
    means: Mapping[str, Mapping[str, float]]
    """By variant and metric, over the runs that all variants have; see `common_means`."""
    published: tuple[Published, ...]
    notes: tuple[str, ...]

    def of(self, metric: str) -> list[Comparison]:
        """The comparisons in one metric."""
        return [c for c in self.comparisons if c.metric == metric]


def compare_runs(
    run_set: RunSet,
    baseline: str | None = None,
    metrics: Sequence[str] | None = None,
    published: Sequence[Published] = (),
    *,
    loosely: bool = False,
) -> Compared:
    """Pair every variant's runs with the baseline's and compare.

    Args:
        run_set: the runs.
        baseline: by default the run_set's own, or its first variant.
        metrics: by default the headline metrics that the runs have.
        published: figures to show beside.
        loosely: pair by category and seed alone.

    Raises:
        ConfigError: an unknown baseline or metric, or no pairs at all.
    """
    baseline = baseline or run_set.baseline or run_set.variants[0]
    choose(baseline, run_set.variants, "baseline")
    frame = run_set.frame()
    names = compared_metrics(run_set, metrics)
    others = [name for name in run_set.variants if name != baseline]
    require(len(others) > 0, f"only one variant ({baseline}) in {run_set.title}; comparing needs two")
    notes = dict.fromkeys(run_set.notes)
    values: dict[str, Values] = {}
    for metric in names:
        values[metric], left_out = pair(frame, metric, baseline, others, loosely=loosely)
        notes |= dict.fromkeys(left_out)
    if not any(values.values()):
        raise ConfigError(_nothing_paired(baseline, others, list(notes)))
    means, _ = common_means(frame, names, baseline, loosely=loosely)
    comparisons = tuple(compare(baseline, values))
    return Compared(run_set, baseline, names, comparisons, means, tuple(published), tuple(notes))


def compared_metrics(run_set: RunSet, given: Sequence[str] | None) -> tuple[str, ...]:
    """Those that are given, else the headline metrics that the runs have. Without masks, they have none of pixels.

    Raises:
        ConfigError: the runs have no such metric.
    """
    logged = dict.fromkeys(name for run in run_set.runs for name in run.metrics)
    known = [name for name in logged if name.removeprefix("held_out/") in METRICS]
    for name in given or ():
        choose(name, known, "metric (of these runs)")
    return tuple(dict.fromkeys(given or (name for name in HEADLINE if name in known)))


def _nothing_paired(baseline: str, others: Sequence[str], notes: Sequence[str]) -> str:
    differ = [note for note in notes if _DIFFER in note]
    if differ:
        return "; ".join(differ)
    return (
        f"{', '.join(others)} share no category and seed with the baseline {baseline}; "
        "train them on the same categories and seeds, or name another with --baseline"
    )


def pair(
    frame: pd.DataFrame, metric: str, baseline: str, others: Sequence[str], *, loosely: bool = False
) -> tuple[Values, list[str]]:
    """The values of every variant beside the baseline's, and what was left out and why.

    Two runs are a pair if they share category, seed, and all of `TrainedRun.shared`; with `loosely`, category and seed.
    Where a variant has two pairs of some category, its categories with one pair are left out: one seed tells nothing.
    """
    table, shared = _cells(frame, metric), _cells(frame, "shared")
    values: dict[str, dict[str, np.ndarray]] = {}
    notes: list[str] = []
    cells, basic_values, basic_shared = table.index, table[baseline].to_numpy(), shared[baseline].to_numpy()
    basic, categories = table[baseline].notna().to_numpy(), list(map(str, cells.get_level_values("category")))
    for name in others:
        own, own_values = table[name].notna().to_numpy(), table[name].to_numpy()
        notes += _alone(name, cells, own & ~basic, baseline) + _alone(baseline, cells, basic & ~own, name)
        both = own & basic
        differing = _differing(cells, shared[name].to_numpy(), basic_shared, both)
        if differing:
            notes.append(_differ_note(name, baseline, differing, loosely=loosely))
        paired = both if loosely or not differing else both & ~cells.isin(list(differing))
        groups = _by_category(categories, own_values, basic_values, paired)
        single = [category for category, pairs in groups.items() if len(pairs) == 1]
        if single and len(single) < len(groups):
            notes.append(f"{name}: left out for lack of a second seed: {', '.join(single)}")
            groups = {category: pairs for category, pairs in groups.items() if len(pairs) > 1}
        if groups:
            values[name] = groups
        else:
            notes.append(f"{name} has no pair with {baseline} in {metric}; it is left out")
    return values, notes


def _by_category(
    categories: Sequence[str], own: np.ndarray, basic: np.ndarray, paired: np.ndarray
) -> dict[str, np.ndarray]:
    """The pairs (n, 2) of each category that has some; categories are in order."""
    groups: dict[str, list[tuple[float, float]]] = {}
    for place in np.flatnonzero(paired).tolist():
        groups.setdefault(categories[place], []).append((own[place], basic[place]))
    return {category: np.array(pairs) for category, pairs in groups.items()}


_Cell = tuple[str, int]
"""Category and seed."""
_DIFFER = "no pairs with"


def _cells(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    return frame.pivot(index=["category", "seed"], columns="variant", values=column)


def _differing(cells: pd.Index, own: np.ndarray, basic: np.ndarray, both: np.ndarray) -> dict[_Cell, list[str]]:
    """The cells that both have and whose two runs are not alike, and in what."""
    unlike = [place for place in np.flatnonzero(both).tolist() if own[place] != basic[place]]
    return {
        cells[place]: [what for (what, one), (_, other) in zip(own[place], basic[place], strict=True) if one != other]
        for place in unlike
    }


def _differ_note(name: str, baseline: str, differing: Mapping[_Cell, Sequence[str]], *, loosely: bool) -> str:
    what = ", ".join(dict.fromkeys(part for parts in differing.values() for part in parts))
    if loosely:
        return f"{name}: paired loosely with {baseline}, though they differ in {what}: {_listed(differing)}"
    return (
        f"{name}: {_DIFFER} {baseline}, since they differ in {what}: {_listed(differing)}; run them again alike, or "
        "compare them all the same with --loosely"
    )


def _alone(name: str, cells: pd.Index, alone: np.ndarray, other: str) -> list[str]:
    return [f"{name}: left out, since {other} lacks them: {_listed(cells[alone])}"] if alone.any() else []


def _listed(cells: Iterable[_Cell]) -> str:
    """`bolt seeds 1, 2; weave seed 1`."""
    seeds: dict[str, list[str]] = {}
    for category, seed in cells:
        seeds.setdefault(str(category), []).append(str(seed))
    return "; ".join(f"{name} seed{'s' if len(own) > 1 else ''} {', '.join(own)}" for name, own in seeds.items())


def common_means(
    frame: pd.DataFrame, names: Sequence[str], baseline: str, *, loosely: bool = False
) -> tuple[dict[str, dict[str, float]], list[str]]:
    """Means of all variants over the same cells (category, seed), so that they can be set beside one another: by
    variant and column, the mean over categories of the means over seeds.

    A variant without a column, or without any cell of the baseline, has NaN there. The notes say what is left out.
    """
    variants = [str(name) for name in dict.fromkeys(frame["variant"])]
    means: dict[str, dict[str, float]] = {name: {} for name in variants}
    notes: dict[str, None] = {}
    shared = _cells(frame, "shared")
    for column in names:
        table = _cells(frame, column).astype(float)
        if not loosely:  # runs that are unlike the baseline's are none
            table = table.where(shared.eq(shared[baseline], axis=0))
        found = table.notna()
        having = list(table.columns[found.mul(found[baseline], axis=0).any()])
        common = table[having].dropna() if having else table.iloc[:0]
        by_category = common[having].groupby(level="category").mean()
        for name in variants:
            own = by_category[name].to_numpy() if name in by_category else np.empty(0)
            means[name][column] = float(own.mean()) if len(own) else math.nan
        if len(common) < frame[column].notna().groupby(frame["variant"]).sum().max():
            left_out = table.index.difference(common.index)
            notes[f"means are over the runs that all variants have; left out: {_listed(left_out)}"] = None
    return means, list(notes)


def read_published(path: Path | None) -> list[Published]:
    """Published figures from a YAML list.

    Raises:
        ConfigError: no such file, or not such a list.
    """
    if path is None:
        return []
    if not path.is_file():
        raise ConfigError(f"no file {path}; give a YAML list of name, source and metrics")
    return list(decode(tuple[Published, ...], parse_yaml(path), str(path)))
