"""The ranking metrics against scikit-learn, by their properties, and where they are undefined."""

import math

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from rdpp.metrics import auroc, average_precision, f1_max

METRICS = [auroc, average_precision, f1_max]


def reference_f1_max(labels, scores):
    precision, recall, _ = precision_recall_curve(labels, scores)
    return max(2 * p * r / (p + r) if p + r else 0.0 for p, r in zip(precision, recall, strict=True))


def random_case(seed):
    """Scores with many ties, or with none, and labels of both kinds."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(2, 200))
    labels = rng.random(count) < rng.uniform(0.05, 0.95)
    labels[:2] = True, False
    scores = rng.normal(labels * rng.uniform(-1, 2), 1)
    return (np.round(scores, int(rng.integers(0, 3))) if seed % 2 else scores), labels


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("seed", range(40))
def test_equal_to_scikit_learn(seed, dtype):
    scores, labels = random_case(seed)
    scores = scores.astype(dtype)
    assert auroc(scores, labels) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    assert average_precision(scores, labels) == pytest.approx(average_precision_score(labels, scores), abs=1e-12)
    assert f1_max(scores, labels) == pytest.approx(reference_f1_max(labels, scores), abs=1e-12)


@pytest.mark.parametrize("metric", METRICS)
def test_a_perfect_ranking_is_1(metric):
    assert metric([0.1, 0.2, 0.3, 0.4], [0, 0, 1, 1]) == 1.0


def test_a_reversed_ranking():
    scores, labels = [0.4, 0.3, 0.2, 0.1], [0, 0, 1, 1]
    assert auroc(scores, labels) == 0.0
    assert average_precision(scores, labels) == pytest.approx((1 / 3 + 2 / 4) / 2)
    assert f1_max(scores, labels) == pytest.approx(2 / 3)


def test_all_scores_equal():
    scores, labels = [7.0] * 5, [1, 0, 0, 1, 0]
    assert auroc(scores, labels) == 0.5
    assert average_precision(scores, labels) == pytest.approx(0.4)
    assert f1_max(scores, labels) == pytest.approx(2 * 0.4 / 1.4)


@pytest.mark.parametrize("metric", METRICS)
def test_only_the_order_counts(metric):
    scores, labels = random_case(5)
    assert metric(np.exp(scores), labels) == metric(scores, labels)
    shuffle = np.random.default_rng(0).permutation(len(scores))
    assert metric(scores[shuffle], labels[shuffle]) == pytest.approx(metric(scores, labels), abs=1e-12)


def test_auroc_of_the_opposite():
    scores, labels = random_case(7)
    assert auroc(-scores, labels) == pytest.approx(1 - auroc(scores, labels), abs=1e-12)
    assert auroc(-scores, ~labels) == pytest.approx(auroc(scores, labels), abs=1e-12)


def test_infinite_scores_and_signed_zeros_have_a_rank():
    scores = np.array([-np.inf, -0.0, 0.0, np.inf, np.inf])
    labels = [0, 1, 0, 1, 0]
    assert auroc(scores, labels) == pytest.approx((1 + 0.5 + 0 + 1 + 1 + 0.5) / 6)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("labels", [[True, True], [False, False], []])
def test_labels_all_alike_are_undefined(metric, labels):
    assert math.isnan(metric(np.arange(len(labels), dtype=float), labels))


@pytest.mark.parametrize("metric", METRICS)
def test_nan_scores(metric):
    with pytest.raises(ValueError, match="2 of 4 scores are NaN"):
        metric([0.1, np.nan, np.nan, 1.0], [0, 1, 0, 1])


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("labels", [[0, 1], [[0, 1, 1]]])
def test_shapes(metric, labels):
    with pytest.raises(ValueError, match=r"must both be \(N,\), got \(3,\) and"):
        metric([0.1, 0.2, 0.3], labels)


def test_two_dimensional_scores():
    with pytest.raises(ValueError, match=r"must both be \(N,\), got \(1, 2\) and \(1, 2\)"):
        auroc([[0.1, 0.2]], [[0, 1]])
