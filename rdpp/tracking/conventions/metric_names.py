"""Names of the metrics of a run of one category and seed, as MLflow has them. They are spelt here and nowhere else.

MLflow's UI makes a section of all names with the same beginning. It sorts sections by the alphabet, and puts names
without a `/` last. So curves over the epochs (`held_out/`, `loss/`) stand before the values of the end. A run's parents
have means under the same names: `test/image_auroc`.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from rdpp.metrics import METRICS, of_defect_type
from rdpp.tracking.conventions.names import from_key
from rdpp.tracking.conventions.tags import is_run

TEST = "test/"
"""Of the chosen epoch on the test images: metrics by name, and what thresholds do there."""
SELECTED = "selection/held_out/"
"""Of the chosen epoch on the held-out images: what decides between runs."""
GAP = "selection_gap/"
"""How much better the best epoch on the test images is than the chosen one."""
HELD_OUT = "held_out/"
"""On the held-out images, over the epochs; where none are held out, names without a beginning are of the test images
over the epochs."""
AUDIT = "audit/"
"""On the test images, over the epochs, computed after all choices."""
THRESHOLD = "threshold/"
LOSS, LOSS_WEIGHTED, LOSS_WEIGHT = "loss/", "loss_weighted/", "loss_weight/"
GRADIENT_NORM, GRADIENT_ROUNDING = "loss_gradient_norm/", "loss_gradient_rounding/"
TIME_SHARE = "time_share/"
TRAINING = "training/"
"""What the training took."""
CHOSEN_EPOCH, EPOCHS, STEPS = (TRAINING + name for name in ("chosen_epoch", "epochs", "steps"))
SECONDS, SECONDS_PER_BATCH = TRAINING + "seconds", TRAINING + "seconds_per_batch"
IMAGES_PER_SECOND, PEAK_MEMORY = TRAINING + "images_per_second", TRAINING + "peak_memory_mb"
COUNTS = (CHOSEN_EPOCH, EPOCHS, STEPS)

_RATES = ("false_alarm_rate/", "detection_rate/")
"""Beginnings of the names in `Result.real_rates`."""
_BEFORE = {
    "chosen/held_out/": SELECTED,
    "chosen/": TEST,
    **{rate: TEST + rate for rate in _RATES},
    "gradient_norm/": GRADIENT_NORM,
    "gradient_rounding/": GRADIENT_ROUNDING,
    **{
        name.removeprefix(TRAINING): name
        for name in (*COUNTS, SECONDS, SECONDS_PER_BATCH, IMAGES_PER_SECOND, PEAK_MEMORY)
    },
}
"""Up to schema 3: beginnings that end with a `/`, and whole names."""


def final_metrics(
    *,
    test: Mapping[str, float],
    held_out: Mapping[str, float],
    gap: Mapping[str, float],
    epoch: int,
    epochs: int,
    steps: int,
) -> dict[str, float]:
    """What a run comes to, by the names under which it is logged.

    Args:
        test: metrics of the chosen epoch on the test images.
        held_out: the same on the held-out ones; empty where there are none. Defect types are left out: those defects
            were drawn.
        gap: see `Result.selection_gap`.
        epoch: the chosen one.
        epochs, steps: that were trained.
    """
    return {
        **{TEST + name: value for name, value in test.items()},
        **{SELECTED + name: value for name, value in held_out.items() if "/" not in name},
        **{GAP + name: value for name, value in gap.items()},
        **dict(zip(COUNTS, (epoch, epochs, steps), strict=True)),
    }


def is_final(key: str) -> bool:
    """Whether a key of MLflow's is one that `final_metrics` names."""
    return key in COUNTS or key.startswith((SELECTED, GAP)) or _is_of_test(key)


def chosen_metrics(logged: Mapping[str, float]) -> dict[str, float]:
    """Metrics of the chosen epoch: on the test images by name, such as `image_auroc` and
    `image_auroc/defect_type/scratch`, on the held-out ones as `held_out/image_auroc`.

    `logged`: by key, with the names of today.
    """
    on_test = {from_key(key.removeprefix(TEST)): value for key, value in logged.items() if _is_of_test(key)}
    held_out = {key: value for key, value in logged.items() if key.startswith(SELECTED)}
    return {**on_test, **{HELD_OUT + from_key(key.removeprefix(SELECTED)): value for key, value in held_out.items()}}


def names_of_today(logged: Mapping[str, Any], tags: Mapping[str, str]) -> dict[str, Any]:
    """What a run logged, with names of earlier versions replaced; a value under a name of today counts before one under
    an old name, since it came later.

    Args:
        logged: by key or by name.
        tags: of the run; only those of the level `run` had other names.
    """
    if not is_run(tags):
        return dict(logged)
    renamed = {name: today for name in logged if (today := _name_of_today(name)) != name}
    unchanged = {name: value for name, value in logged.items() if name not in renamed} if renamed else dict(logged)
    return {**{today: logged[name] for name, today in renamed.items()}, **unchanged}


@cache
def _name_of_today(name: str) -> str:
    if name in _BEFORE:
        return _BEFORE[name]
    before = next((old for old in _BEFORE if old.endswith("/") and name.startswith(old)), None)
    if before is None:
        return name
    rest = name.removeprefix(before)
    metric, _, defect_type = rest.partition("/")
    if before == "chosen/" and metric in METRICS and defect_type and "/" not in defect_type:  # up to schema 2
        rest = of_defect_type(metric, defect_type)
    return _BEFORE[before] + rest


def _is_of_test(key: str) -> bool:
    return key.startswith(TEST) and not key.startswith(tuple(TEST + rate for rate in _RATES))
