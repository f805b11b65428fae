"""Does `rdpp compare` keep its promises? Simulated results with known effects, compared as real ones are.

    python scripts/planted_effects.py [--repeats 2000]

Each row plants an effect in the first of several variants (the others have none) and compares all with the baseline. An
effect on a category is drawn around the planted mean with a standard deviation of its own; seeds scatter around it.
Sizes are in units of the seeds' standard deviation. Promised: false alarms of at most 5 % over all variants, intervals
that cover the truth in 95 %, and 80 % power at the difference that compare itself says it shows from, which is worked
out here from the true standard deviations.
"""

import argparse
import gc
import math
from dataclasses import dataclass

import numpy as np
from rich.table import Table

from rdpp.ablation.statistics import ALPHA, Comparison, _noncentrality, _rank_effect, compare
from rdpp.tracking import output_console

METRIC, BASELINE = "simulated", "baseline"


@dataclass(frozen=True)
class Setting:
    """One row: how much there is to see, and what is planted."""

    categories: int
    seeds: int
    variants: int
    between: float
    """Standard deviation of the effect between categories."""
    planted: str
    """none | here | new: no effect, the one that shows on these categories, the one that shows on new ones."""
    uneven: bool = False
    """Whether one category's seeds scatter three times as far."""

    @property
    def effect(self) -> float:
        """The planted mean."""
        if self.planted == "none":
            return 0.0
        if self.planted == "here":
            error = 1 / math.sqrt(self.categories * self.seeds)
            return error * _noncentrality(float(self.categories * (self.seeds - 1)), ALPHA / self.variants)
        spread = math.sqrt(self.between**2 + 1 / self.seeds)
        return spread * _rank_effect(self.categories, ALPHA / self.variants)


SETTINGS = [
    Setting(3, 3, 5, 0.0, "none"),
    Setting(3, 3, 5, 0.0, "none", uneven=True),
    Setting(3, 3, 5, 0.0, "here"),
    Setting(3, 5, 5, 0.0, "here"),
    Setting(15, 3, 1, 0.0, "none"),
    Setting(15, 3, 1, 1.0, "none"),
    Setting(15, 3, 5, 1.0, "none"),
    Setting(15, 3, 5, 0.0, "here"),
    Setting(15, 3, 1, 1.0, "new"),
    Setting(15, 3, 5, 1.0, "new"),
    Setting(15, 3, 5, 3.0, "new"),
    Setting(8, 3, 1, 1.0, "none"),
    Setting(8, 3, 1, 1.0, "new"),
]


def simulate(setting: Setting, rng: np.random.Generator) -> tuple[list[Comparison], np.ndarray]:
    """One comparison, and each variant's true mean difference on the categories that were drawn."""
    scatter = np.ones((setting.categories, 1))
    scatter[0] *= 3 if setting.uneven else 1
    values, truth = {}, []
    for number in range(setting.variants):
        planted = setting.effect if number == 0 else 0.0
        means = planted + setting.between * rng.standard_normal((setting.categories, 1))
        drawn = means + scatter * rng.standard_normal((setting.categories, setting.seeds))
        values[f"v{number}"] = {f"c{i}": np.stack([d, np.zeros_like(d)], 1) for i, d in enumerate(drawn)}
        truth.append(float(means.mean()))
    return compare(METRIC, BASELINE, values), np.array(truth)


def measure(setting: Setting, repeats: int, seed: int) -> list[str]:
    """The row's rates, as text."""
    rng = np.random.default_rng(seed)
    found = dict.fromkeys(("here", "here false", "here covers", "new", "new false", "new covers"), 0)
    for _ in range(repeats):
        comparisons, truth = simulate(setting, rng)
        first, null = comparisons[0], comparisons[0 if setting.planted == "none" else 1 :]
        right = first.difference > 0
        found["here"] += first.here.sure and right
        found["new"] += first.beyond.sure and right
        found["here false"] += any(c.here.sure for c in null)
        found["new false"] += any(c.beyond.sure for c in null)
        found["here covers"] += first.here.low <= truth[0] <= first.here.high
        found["new covers"] += first.beyond.low <= setting.effect <= first.beyond.high
    rates = {name: f"{100 * count / repeats:.1f}" for name, count in found.items()}
    none, fixed = setting.planted == "none", setting.between == 0
    return [
        "-" if none else rates["here"],
        rates["here false"] if fixed and (none or setting.variants > 1) else "-",  # else each category has an effect
        rates["here covers"],
        "-" if none else rates["new"],
        rates["new false"] if none or setting.variants > 1 else "-",
        rates["new covers"],
    ]


def main() -> None:
    """Print one row a setting."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=2000)
    options = parser.parse_args()
    gc.freeze()  # statsmodels collects garbage in every call
    table = Table(title=f"{options.repeats} simulated comparisons a row, per cent")
    columns = [
        "categories x seeds",
        "variants",
        "between\ncategories",
        "effect",
        "these:\nfound",
        "these:\nfalse alarms",
    ]
    columns += ["these:\ncovered", "new:\nfound", "new:\nfalse alarms", "new:\ncovered"]
    for column in columns:
        table.add_column(column, justify="right")
    for number, setting in enumerate(SETTINGS):
        seeds = f"{setting.categories} x {setting.seeds}{', uneven' if setting.uneven else ''}"
        row = [seeds, str(setting.variants), f"{setting.between:g}", f"{setting.effect:.2f}"]
        table.add_row(*row, *measure(setting, options.repeats, number))
    output_console().print(table)


if __name__ == "__main__":
    main()
