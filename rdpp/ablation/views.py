"""What MLflow's UI shows of an ablation: its variants, and the runs of all variants."""

from rdpp.ablation.config import AblationConfig
from rdpp.runs import DURATION, Chart, Column, View
from rdpp.tracking.conventions.metric_names import HELD_OUT, LOSS, SELECTED, TEST

METRICS = ("image_auroc", "pixel_aupro")
"""That pages about an ablation name."""


def ablation_views(ablation: AblationConfig) -> list[View]:
    """The first is the one to open."""
    holds_out = ablation.base.evaluation.watched == "held_out"
    return [_variants(ablation, holds_out), _runs(ablation, holds_out)]


def _variants(ablation: AblationConfig, holds_out: bool) -> View:
    test: list[Column] = [("metrics", f"test/{name}") for name in METRICS]
    spread: list[Column] = [("metrics", f"spread/test/{name}") for name in METRICS]
    held_out: list[Column] = [("metrics", f"held_out/{name}") for name in METRICS] if holds_out else []
    pairs = [column for pair in zip(test, spread, strict=True) for column in pair]
    charts = tuple(Chart("bar", (column,)) for column in (*test, *held_out))
    return View(f"{ablation.name}: variants", "variant", test[0], (*pairs, *held_out, DURATION), charts)


def _runs(ablation: AblationConfig, holds_out: bool) -> View:
    """Of each category and seed, with its losses before its values."""
    place: list[Column] = [("tags", "variant"), ("tags", "category"), ("tags", "seed")]
    test: list[Column] = [("metrics", TEST + name) for name in METRICS]
    held_out: list[Column] = [("metrics", SELECTED + name) for name in METRICS] if holds_out else []
    lines = [f"{LOSS}total", *(HELD_OUT + name if holds_out else name for name in METRICS)]
    charts = tuple(Chart("line", (("metrics", name),)) for name in lines)
    return View(f"{ablation.name}: runs", "run", test[0], (*place, *test, *held_out, DURATION), charts)
