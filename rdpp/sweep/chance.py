"""What the choice of seeds alone does to the differences between trials."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import f

SIGNIFICANT = 0.05
"""A p below it counts: the differences are no chance."""
_ALIKE = 1e-9
"""Values that lie less far apart differ by rounding."""


@dataclass(frozen=True)
class Chance:
    """How far the means of trials would lie apart if nothing but their seeds made them differ."""

    deviation: float
    """Standard deviation; NaN where it is not known: with one seed, or one trial."""
    degrees: int
    """Of freedom of the deviation: (trials - 1) (seeds - 1)."""

    @property
    def known(self) -> bool:
        """Whether there were seeds and trials enough."""
        return self.degrees > 0

    def explains(self, between: float, trials: int) -> bool:
        """Whether means that lie so far apart may differ by their seeds alone: an F-test of the variance at 5 %.

        Args:
            between: standard deviation between the trials' means.
            trials: how many there are.
        """
        if between < _ALIKE:
            return True
        if self.deviation < _ALIKE:
            return False
        return bool(f.sf((between / self.deviation) ** 2, trials - 1, self.degrees) > SIGNIFICANT)


def chance(trials: Sequence[Mapping[tuple[str, int], float]], means: Collection[tuple[str, int]]) -> Chance:
    """Of means over some runs.

    All trials have the same seeds. What a seed does to all of them alike makes no difference between them and is taken
    out, with what a trial does to all seeds alike. What is left tells how far seeds make trials differ. Source:
    randomised complete blocks; Montgomery, "Design and Analysis of Experiments", 8th edition, section 4.1.

    Args:
        trials: complete ones: a value for each (category, seed). Those that lack a run are left out.
        means: category and seed of the runs that a mean goes over, the same categories for each seed. The deviation
            is known from all seeds of these categories.
    """
    categories, seeds = {category for category, _ in means}, len({seed for _, seed in means})
    runs = {run for trial in trials for run in trial if run[0] in categories}
    whole = [trial for trial in trials if all(not np.isnan(trial.get(run, np.nan)) for run in runs)]
    by_seed = [[trial[run] for trial in whole for run in runs if run[1] == seed] for seed in {seed for _, seed in runs}]
    degrees = max(0, len(whole) - 1) * max(0, len(by_seed) - 1)
    if not degrees:
        return Chance(float("nan"), 0)
    table = np.array([np.reshape(values, (len(whole), -1)).mean(1) for values in by_seed])  # (seeds, trials)
    left = table - table.mean(0) - table.mean(1, keepdims=True) + table.mean()
    return Chance(float(np.sqrt((left**2).sum() / degrees / seeds)), degrees)
