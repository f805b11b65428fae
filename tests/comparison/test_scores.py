"""ROC curves and histograms of a report, from the table of scores that each run logs."""

import dataclasses

import numpy as np
import pytest
from variants import with_copies

from rdpp.comparison import shown
from rdpp.comparison.report import render
from rdpp.comparison.scores import BINS, category_scores
from rdpp.comparison.search import find_runs


def test_the_curve_is_that_of_the_runs_scores(small):
    _, store, _ = small
    found = find_runs(store, ["small"])
    (of,), missing = category_scores(store, found)
    assert missing == []
    assert (of.category, of.seed) == ("bolt", 1)
    assert [one.variant for one in of.variants] == ["rd", "ot"]
    measured = {run.variant: run.metrics["image_auroc"] for run in found.runs if run.seed == 1}
    for one in of.variants:
        assert one.auroc == pytest.approx(measured[one.variant])
        assert (one.roc[0], one.roc[-1]) == ((0.0, 0.0), (1.0, 1.0))
        x, y = np.array(one.roc).T
        assert np.trapezoid(y, x) == pytest.approx(one.auroc)


def test_the_histograms_hold_all_images_of_a_kind(small):
    _, store, _ = small
    (of,), _ = category_scores(store, find_runs(store, ["small"]))
    for one in of.variants:
        run = next(run for run in find_runs(store, ["small"]).runs if (run.variant, run.seed) == (one.variant, 1))
        rows = store.read_json(run.run_id, "image_scores.json")
        scores = [row[rows["columns"].index("score")] for row in rows["data"]]
        labels = [row[rows["columns"].index("defective")] for row in rows["data"]]
        assert len(one.good) == len(one.defective) == BINS
        assert sum(one.good) == pytest.approx(1)
        assert sum(one.defective) == pytest.approx(1)
        assert (one.low, one.high) == (min(scores), max(scores))
        place = int((scores[labels.index(True)] - one.low) / (one.high - one.low) * BINS)
        assert one.defective[min(place, BINS - 1)] > 0


def test_few_variants_and_categories_are_looked_into(small, monkeypatch):
    _, store, _ = small
    found = find_runs(store, ["small"])
    (of,), _ = category_scores(store, with_copies(found, "ot", 9))
    assert len(of.variants) == shown.MOST_VARIANTS
    assert of.variants[0].variant == "rd"  # the baseline
    others = [dataclasses.replace(run, category="aaa") for run in found.runs]
    monkeypatch.setattr(shown, "MOST_CATEGORIES", 1)
    two = dataclasses.replace(found, runs=(*found.runs, *others))
    assert [one.category for one in category_scores(store, two)[0]] == ["aaa"]
    assert "1 further ones are left out" in render(store, two)


@pytest.mark.parametrize(
    ("table", "told"),
    [
        (None, "bolt: no ROC curve, since no run has its image_scores.json"),
        ([[0.1, False], [0.2, False]], "bolt: no ROC curve, since its test images are all good, or all defective"),
        ([[0.1, True]], "bolt: no ROC curve, since its test images are all good, or all defective"),
    ],
)
def test_what_cannot_be_drawn_is_told(small, monkeypatch, table, told):
    _, store, _ = small
    found = find_runs(store, ["small"])
    data = None if table is None else {"columns": ["score", "defective"], "data": table}
    monkeypatch.setattr(type(store), "read_json", lambda *arguments: data)
    assert category_scores(store, found) == ([], [told])
