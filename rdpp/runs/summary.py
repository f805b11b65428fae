"""What the runs of one parent come to: means over categories and seeds, and how far seeds lie apart."""

from collections.abc import Mapping, Sequence

import numpy as np

from rdpp.engine import RunSpec
from rdpp.runs.one import Outcome


def summary(outcomes: Sequence[Outcome], *, held_out: bool) -> dict[str, float]:
    """What the runs below one parent come to.

    `test/NAME` is a metric on the test images: its mean over seeds and categories; `test/NAME/category/CATEGORY` that
    of one category; `spread/test/NAME` the standard deviation between seeds. With `held_out` the same is there for the
    held-out images, as `held_out/NAME` and so on.
    """
    kinds = {"test": [(done.spec, done.metrics) for done in outcomes]}
    if held_out:
        kinds["held_out"] = [(done.spec, done.deciding) for done in outcomes]
    values: dict[str, float] = {}
    for kind, found in kinds.items():
        values |= {f"{kind}/{name}": value for name, value in means(found).items()}
        for name in _plain_names(found):
            by_run = {(spec.category.name, spec.seed): metrics.get(name, float("nan")) for spec, metrics in found}
            values[f"spread/{kind}/{name}"] = seed_spread(by_run)
    return values


def means(found: Sequence[tuple[RunSpec, Mapping[str, float]]]) -> dict[str, float]:
    """Every metric over all images of each run: `NAME/category/CATEGORY` is its mean over seeds, `NAME` the mean of
    these."""
    values: dict[str, float] = {}
    for name in _plain_names(found):
        by_category: dict[str, list[float]] = {}
        for spec, metrics in found:
            by_category.setdefault(spec.category.name, []).append(metrics.get(name, float("nan")))
        averages = {category: float(np.mean(v)) for category, v in by_category.items()}
        values[name] = float(np.mean(list(averages.values())))
        values |= {f"{name}/category/{category}": value for category, value in averages.items()}
    return values


def seed_spread(by_run: Mapping[tuple[str, int], float]) -> float:
    """The standard deviation between seeds of the mean over categories; NaN with one seed.

    `by_run`: a value for each (category, seed).
    """
    by_seed: dict[int, list[float]] = {}
    for (_, seed), value in by_run.items():
        by_seed.setdefault(seed, []).append(value)
    averages = [float(np.mean(values)) for values in by_seed.values()]
    return float(np.std(averages, ddof=1)) if len(averages) > 1 else float("nan")


def _plain_names(found: Sequence[tuple[RunSpec, Mapping[str, float]]]) -> list[str]:
    return [name for name in found[0][1] if "/" not in name]
