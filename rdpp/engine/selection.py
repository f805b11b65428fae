"""Which epoch counts."""

from collections.abc import Mapping

from rdpp.experiment import EvaluationConfig

OFFICIAL_METRICS = ("image_auroc", "pixel_auroc", "pixel_aupro_per_image")


def official_value(metrics: Mapping[str, float]) -> float:
    """Mean of image AUROC, pixel AUROC and per-image PRO, each rounded to 4 places, as in the released code."""
    return sum(round(metrics[name], 4) for name in OFFICIAL_METRICS) / len(OFFICIAL_METRICS)


def is_chosen(
    config: EvaluationConfig, metrics: Mapping[str, float], best: Mapping[str, float] | None, *, final: bool
) -> bool:
    """Whether the epoch with these metrics replaces the best so far."""
    if config.selection == "last":
        return final
    return best is None or official_value(metrics) > official_value(best)
