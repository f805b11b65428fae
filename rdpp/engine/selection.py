"""Which epoch counts."""

import math
from collections.abc import Mapping

from rdpp.experiment import EvaluationConfig

OFFICIAL_METRICS = ("image_auroc", "pixel_auroc", "pixel_aupro_per_image")
HELD_OUT_METRICS = ("image_auroc", "pixel_auroc", "pixel_aupro")


def official_value(metrics: Mapping[str, float]) -> float:
    """Mean of image AUROC, pixel AUROC and per-image PRO, each rounded to 4 places, as in the released code."""
    return sum(round(metrics[name], 4) for name in OFFICIAL_METRICS) / len(OFFICIAL_METRICS)


def held_out_value(metrics: Mapping[str, float]) -> float:
    """Mean of image AUROC, pixel AUROC and pooled AU-PRO."""
    return sum(metrics[name] for name in HELD_OUT_METRICS) / len(HELD_OUT_METRICS)


def is_chosen(
    config: EvaluationConfig, metrics: Mapping[str, float], best: Mapping[str, float] | None, *, final: bool
) -> bool:
    """Whether the epoch with these metrics replaces the best so far.

    An undefined value (NaN) counts as lower than any other: it is replaced by the first epoch that has one.
    """
    if config.selection == "last":
        return final
    value = official_value if config.selection == "official" else held_out_value
    if best is None or math.isnan(value(best)):
        return best is None or not math.isnan(value(metrics))
    return value(metrics) > value(best)
