"""Does `rdpp compare` keep its promises? Simulated results, asked as real ones are.

    python scripts/studies/false_alarms.py [--repeats 20000]     (8 minutes of one CPU core)

Two tables, made with the product's own code (`rdpp.comparison.statistics.ask`). Sizes are in standard deviations of a
seed.

1. False alarms: the variants do what the baseline does. How often does any of them, in any metric, get a verdict? At
   most 5 % are promised, for each question.
2. Power: a comparison tells a minimum detectable effect, and a second one like it has a true difference of just that
   size. How often is it found? At least 80 % are told.
"""

import argparse
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from rich.table import Table

from rdpp.cli import exit_code_of
from rdpp.comparison.statistics import ALPHA, ask, least_units
from rdpp.display.console import output_console

Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]
"""Values of one run each: (..., categories, seeds, repeats)."""
_COMMON = 0.6  # correlation of a run's metrics


def _normal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.standard_normal(shape)


def _unequal(times: float) -> Draw:
    """One category's seeds scatter more than those of the others."""

    def draw(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        values = rng.standard_normal(shape)
        values[..., 0, :, :] *= times
        return values

    return draw


def _heavy(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Student's t with two degrees of freedom: its variance is infinite."""
    return rng.standard_t(2, shape)


def _tied(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """A metric with steps as large as the seeds' standard deviation, as of few test images."""
    return np.round(rng.standard_normal(shape))


def _saturated(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Near 100: a third of the runs reach it, and no run goes beyond."""
    return np.minimum(rng.standard_normal(shape), 0.4)


@dataclass(frozen=True)
class Setting:
    """One row."""

    name: str
    seeds: tuple[int, ...]
    """Of each category."""
    draw: Draw = _normal
    variants: int = 2
    metrics: int = 3
    between: Draw | None = None
    """The effect of a variant on each category, where it has one."""

    @property
    def alpha(self) -> float:
        """Level of one comparison."""
        return ALPHA / (self.variants * self.metrics)


def _skewed(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.exponential(size=shape) - 1


SETTINGS = (
    Setting("normal", (4,) * 3),
    Setting("normal", (3,) * 15),
    Setting("normal, five variants", (4,) * 3, variants=5),
    Setting("normal, one metric", (3,) * 8, variants=1, metrics=1),
    Setting("normal, one category", (8,), variants=1),
    Setting("one category 3 times as noisy", (4,) * 3, _unequal(3)),
    Setting("one category 10 times as noisy", (4,) * 3, _unequal(10)),
    Setting("one category 10 times as noisy", (3,) * 15, _unequal(10)),
    Setting("heavy tails (t, 2 df)", (4,) * 3, _heavy),
    Setting("heavy tails (t, 2 df)", (3,) * 15, _heavy),
    Setting("two seeds", (2,) * 3, variants=1, metrics=1),
    Setting("two seeds", (2,) * 15),
    Setting("missing runs", (5, 4, 2)),
    Setting("missing runs", (3, 3, 3, 3, 3, 3, 3, 2, 2, 2, 2, 2, 3, 3, 2)),
    Setting("ties", (4,) * 3, _tied),
    Setting("ties", (3,) * 15, _tied),
    Setting("saturation near 100", (4,) * 3, _saturated),
    Setting("saturation near 100", (3,) * 15, _saturated),
    Setting("effects differ, normal", (3,) * 15, between=_normal),
    Setting("effects differ, heavy tails", (3,) * 15, between=_heavy),
    Setting("effects differ, skewed", (3,) * 15, between=_skewed),
)


def differences(setting: Setting, rng: np.random.Generator, repeats: int) -> np.ndarray:
    """(variants, metrics, categories, most seeds, repeats): each variant less the one baseline."""
    shape = (setting.variants + 1, setting.metrics, len(setting.seeds), max(setting.seeds), repeats)
    values = setting.draw(rng, shape)
    if setting.metrics > 1:  # the metrics of a run go together
        values[:, 1:] = _COMMON * values[:, :1] + math.sqrt(1 - _COMMON**2) * values[:, 1:]
    found = values[1:] - values[:1]
    if setting.between is not None:
        found += setting.between(rng, (setting.variants, setting.metrics, len(setting.seeds), 1, repeats))
    return found


def _by_category(setting: Setting, drawn: np.ndarray) -> list[np.ndarray]:
    """Without the seeds that a category lacks."""
    return [category[:seeds] for category, seeds in zip(drawn, setting.seeds, strict=True)]


def false_alarms(setting: Setting, rng: np.random.Generator, repeats: int) -> tuple[float, float]:
    """Rates of comparisons with any verdict, for each question."""
    drawn = differences(setting, rng, repeats)
    alarms = np.zeros((2, repeats), bool)
    for of_metric in drawn.reshape(-1, *drawn.shape[2:]):
        for question, found in enumerate(ask(_by_category(setting, of_metric), setting.alpha)):
            alarms[question] |= found.p <= setting.alpha
    these, new = alarms.mean(1)
    return float(these), float(new)


def power(setting: Setting, rng: np.random.Generator, repeats: int) -> list[tuple[float, float]]:
    """For each question the median minimum detectable effect, and how often a true difference of what one comparison
    tells is found by another."""
    first, second = (differences(setting, rng, repeats)[0, 0] for _ in range(2))
    found = []
    for question, told in enumerate(ask(_by_category(setting, first), setting.alpha)):
        effect = told.minimum_detectable_effect
        if not np.isfinite(np.median(effect)):
            found.append((math.inf, math.nan))
            continue
        planted = np.where(np.isfinite(effect), effect, 0)  # one that tells nothing promises nothing
        again = ask(_by_category(setting, second + planted), setting.alpha)[question]
        found.append((float(np.median(effect)), float((again.low > 0)[np.isfinite(effect)].mean())))
    return found


def measure(setting: Setting, repeats: int, seed: int) -> list[str]:
    """A row, as text."""
    rng = np.random.default_rng(seed)
    these, new = false_alarms(setting, rng, repeats)
    few, many = min(setting.seeds), max(setting.seeds)
    counts = f"{len(setting.seeds)} x {few}" + (f" to {many}" if many > few else "")
    cells = [setting.name, counts, str(setting.variants * setting.metrics)]
    # where each category has an effect of its own, a variant that has one on these is no false alarm
    cells += ["-" if setting.between else f"{100 * these:.1f}", f"{100 * new:.1f}"]
    for units, (effect, rate) in zip(
        (sum(setting.seeds), len(setting.seeds)), power(setting, rng, repeats), strict=True
    ):
        never = units < least_units(setting.alpha)
        cells += ["never", "-"] if never else [f"{effect:.2f}", f"{100 * rate:.0f}"]
    if setting.between:
        cells[-4:-2] = "-", "-"
    return cells


def main() -> None:
    """Print one row a setting."""
    parser = argparse.ArgumentParser(description="Simulated comparisons: false alarms and power.")
    parser.add_argument("--repeats", type=int, default=20_000)
    repeats = parser.parse_args().repeats
    table = Table(title=f"{repeats:,} simulated comparisons a row, per cent")
    heads = ("differences", "categories\nx seeds", "compa-\nrisons", "these:\nfalse alarms", "new:\nfalse alarms")
    for head in (*heads, "these:\nMDE", "found", "new:\nMDE", "found"):
        table.add_column(head, justify="left" if head == "differences" else "right")
    for number, setting in enumerate(SETTINGS):
        table.add_row(*measure(setting, repeats, number))
    output_console().print(table)


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
