"""What a run's metrics are called, and what they were called before."""

import pytest

from rdpp.tracking.conventions.metric_names import chosen_metrics, final_metrics, is_final, names_of_today

RUN = {"level": "run"}
OLD = {
    "chosen/image_auroc": "test/image_auroc",
    "chosen/image_auroc/defect_type/hole": "test/image_auroc/defect_type/hole",
    "chosen/image_auroc/hole": "test/image_auroc/defect_type/hole",  # up to schema 2
    "chosen/held_out/image_auroc": "selection/held_out/image_auroc",
    "held_out/image_auroc": "held_out/image_auroc",
    "image_auroc": "image_auroc",
    "false_alarm_rate/image_5_percent": "test/false_alarm_rate/image_5_percent",
    "detection_rate/image_5_percent": "test/detection_rate/image_5_percent",
    "gradient_norm/projection/ssot": "loss_gradient_norm/projection/ssot",
    "gradient_rounding/ssot": "loss_gradient_rounding/ssot",
    "loss/ssot": "loss/ssot",
    "chosen_epoch": "training/chosen_epoch",
    "epochs": "training/epochs",
    "steps": "training/steps",
    "seconds": "training/seconds",
    "seconds_per_batch": "training/seconds_per_batch",
    "images_per_second": "training/images_per_second",
    "peak_memory_mb": "training/peak_memory_mb",
    "selection_gap/image_auroc": "selection_gap/image_auroc",
}
"""Names up to schema 3, and those of today."""


@pytest.mark.parametrize(("old", "new"), OLD.items())
def test_old_names_are_read_as_those_of_today(old, new):
    assert names_of_today({old: 0.5}, RUN) == {new: 0.5}
    assert names_of_today({new: 0.5}, RUN) == {new: 0.5}


def test_what_came_later_under_a_name_of_today_counts():
    later, earlier = {"test/image_auroc": 0.6}, {"chosen/image_auroc": 0.5}
    assert names_of_today({**later, **earlier}, RUN) == names_of_today({**earlier, **later}, RUN) == later


def test_the_names_of_parents_were_never_others():
    assert names_of_today({"steps": 7.0}, {"level": "trial"}) == {"steps": 7.0}


def test_rates_of_thresholds_are_no_metrics_of_the_chosen_epoch():
    logged = {
        "test/image_auroc": 0.5,
        "test/image_auroc/defect_type/hole _x28_deep_x29_": 0.25,
        "test/false_alarm_rate/image_5_percent": 0.125,
        "test/detection_rate/image_5_percent": 0.75,
        "held_out/image_auroc": 0.1,
        "selection/held_out/image_auroc": 1.0,
        "training/steps": 3.0,
    }
    assert chosen_metrics(logged) == {
        "image_auroc": 0.5,
        "image_auroc/defect_type/hole (deep)": 0.25,
        "held_out/image_auroc": 1.0,
    }
    assert [name for name in logged if not is_final(name)] == [
        "test/false_alarm_rate/image_5_percent",
        "test/detection_rate/image_5_percent",
        "held_out/image_auroc",
    ]


def test_curves_stand_before_the_values_of_the_end():
    """The UI sorts by the alphabet."""
    test, held_out = {"image_auroc": 0.5}, {"image_auroc": 1.0, "image_auroc/defect_type/drawn": 1.0}
    found = final_metrics(test=test, held_out=held_out, gap={"image_auroc": 0.1}, epoch=2, epochs=3, steps=6)
    assert found == {
        "test/image_auroc": 0.5,
        "selection/held_out/image_auroc": 1.0,
        "selection_gap/image_auroc": 0.1,
        "training/chosen_epoch": 2,
        "training/epochs": 3,
        "training/steps": 6,
    }
    assert all(is_final(name) for name in found)
    curves = ("held_out/image_auroc", "loss/total", "loss_weighted/ssot", "loss_gradient_norm/projection/ssot")
    assert min(found) > max(curves)
