"""Does `rdpp compare` keep its promises? Simulated results with known effects, compared as real ones are.

    python scripts/studies/planted_effects.py [--repeats 2000]

Each row plants an effect in the first of several variants (the others have none) and compares all with the baseline. An
effect on a category is drawn around the planted mean with a standard deviation of its own; seeds scatter around it.
Sizes are in units of the seeds' standard deviation. Promised: false alarms of at most 5 % over all variants, intervals
that cover the truth in 95 %, and 80 % power at the minimum detectable effect that compare itself tells: the planted one
is the median of what it says in 400 comparisons without effect.
"""

import argparse
import atexit
import gc
from dataclasses import dataclass

import numpy as np
from rich.table import Table

from rdpp.comparison.statistics import Comparison, compare
from rdpp.display.console import output_console

METRIC, BASELINE = "simulated", "baseline"
_PILOT = 400


@dataclass(frozen=True)
class Setting:
    """One row: how much there is to see, and what is planted."""

    categories: int
    seeds: int
    variants: int
    between: float
    """Standard deviation of the effect between categories."""
    planted: str
    """none, or of which question the planted effect is the minimum detectable one: these_categories, new_categories."""
    uneven: bool = False
    """Whether one category's seeds scatter three times as far."""


SETTINGS = [
    Setting(3, 3, 5, 0.0, "none"),
    Setting(3, 3, 5, 0.0, "none", uneven=True),
    Setting(3, 3, 5, 0.0, "these_categories"),
    Setting(3, 5, 5, 0.0, "these_categories"),
    Setting(15, 3, 1, 0.0, "none"),
    Setting(15, 3, 1, 1.0, "none"),
    Setting(15, 3, 5, 1.0, "none"),
    Setting(15, 3, 5, 0.0, "these_categories"),
    Setting(15, 3, 1, 1.0, "new_categories"),
    Setting(15, 3, 5, 1.0, "new_categories"),
    Setting(15, 3, 5, 3.0, "new_categories"),
    Setting(8, 3, 1, 1.0, "none"),
    Setting(8, 3, 1, 1.0, "new_categories"),
]


def planted_effect(setting: Setting) -> float:
    """The planted mean: the minimum detectable effect that compare tells, for the question that the row is about."""
    if setting.planted == "none":
        return 0.0
    rng = np.random.default_rng(1)
    found = [simulate(setting, 0.0, rng)[0][0] for _ in range(_PILOT)]
    answers = [getattr(c, setting.planted) for c in found]
    return float(np.median([answer.minimum_detectable_effect for answer in answers]))


def simulate(setting: Setting, effect: float, rng: np.random.Generator) -> tuple[list[Comparison], np.ndarray]:
    """One comparison, and each variant's true mean difference on the categories that were drawn."""
    scatter = np.ones((setting.categories, 1))
    scatter[0] *= 3 if setting.uneven else 1
    values, truth = {}, []
    for number in range(setting.variants):
        planted = effect if number == 0 else 0.0
        means = planted + setting.between * rng.standard_normal((setting.categories, 1))
        drawn = means + scatter * rng.standard_normal((setting.categories, setting.seeds))
        values[f"v{number}"] = {f"c{i}": np.stack([d, np.zeros_like(d)], 1) for i, d in enumerate(drawn)}
        truth.append(float(means.mean()))
    return compare(METRIC, BASELINE, values), np.array(truth)


def measure(setting: Setting, repeats: int, seed: int) -> list[str]:
    """The planted effect and the row's rates, as text."""
    effect = planted_effect(setting)
    rng = np.random.default_rng(seed)
    found = dict.fromkeys(("these_categories", "these false", "these covers", "new", "new false", "new covers"), 0)
    for _ in range(repeats):
        comparisons, truth = simulate(setting, effect, rng)
        first, null = comparisons[0], comparisons[0 if setting.planted == "none" else 1 :]
        right = first.difference > 0
        found["these_categories"] += first.these_categories.sure and right
        found["new"] += first.new_categories.sure and right
        found["these false"] += any(c.these_categories.sure for c in null)
        found["new false"] += any(c.new_categories.sure for c in null)
        found["these covers"] += first.these_categories.low <= truth[0] <= first.these_categories.high
        found["new covers"] += first.new_categories.low <= effect <= first.new_categories.high
    rates = {name: f"{100 * count / repeats:.1f}" for name, count in found.items()}
    none, fixed = setting.planted == "none", setting.between == 0
    return [
        f"{effect:.2f}",
        "-" if none else rates["these_categories"],
        rates["these false"] if fixed and (none or setting.variants > 1) else "-",  # else each category has an effect
        rates["these covers"],
        "-" if none else rates["new"],
        rates["new false"] if none or setting.variants > 1 else "-",
        rates["new covers"],
    ]


def main() -> None:
    """Print one row a setting."""
    parser = argparse.ArgumentParser(description="Simulated comparisons with known effects.")
    parser.add_argument("--repeats", type=int, default=2000)
    options = parser.parse_args()
    gc.freeze()  # statsmodels collects garbage in every call
    atexit.register(gc.unfreeze)
    table = Table(title=f"{options.repeats} simulated comparisons a row, per cent")
    columns = ["categories x seeds", "variants", "between\ncategories", "effect"]
    columns += ["these:\nfound", "these:\nfalse alarms", "these:\ncovered"]
    columns += ["new:\nfound", "new:\nfalse alarms", "new:\ncovered"]
    for column in columns:
        table.add_column(column, justify="right")
    for number, setting in enumerate(SETTINGS):
        seeds = f"{setting.categories} x {setting.seeds}{', uneven' if setting.uneven else ''}"
        row = [seeds, str(setting.variants), f"{setting.between:g}"]
        table.add_row(*row, *measure(setting, options.repeats, number))
    output_console().print(table)


if __name__ == "__main__":
    main()
