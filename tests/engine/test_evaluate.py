"""Prediction and its metrics."""

import numpy as np
import torch

from rdpp.detector import AnomalyMap, Detector
from rdpp.engine.evaluation import evaluate, predict
from rdpp.engine.loader import DataLoader
from rdpp.metrics import evaluate as compute_metrics
from rdpp.models import ARCHITECTURES, Network

SIZE = (64, 64)


def loader(split):
    return DataLoader(split, torch.device("cpu"))


def network_of(baseline):
    network = Network(ARCHITECTURES["builtin"])
    network.load_state_dict(baseline.networks[-1])
    return network


def test_the_prediction_is_the_scoring_of_the_features_in_eval_mode(baseline):
    network, teacher, test = network_of(baseline).eval(), baseline.teacher, baseline.result.evaluation.split
    with torch.no_grad():
        features = network(teacher(torch.from_numpy(test.images.copy())))
    score = AnomalyMap(SIZE, [(16, 16), (8, 8), (4, 4)], 4.0).float()
    expected = score(features.teacher, features.student)[:, 0].numpy()
    found = predict(Detector(teacher, network, SIZE), loader(test), batch_size=3)
    np.testing.assert_allclose(found.anomaly_maps, expected, rtol=0, atol=1e-5)
    np.testing.assert_array_equal(found.image_scores, found.anomaly_maps.max((1, 2)))


def test_sigma_is_passed_on(baseline):
    network, teacher, split = network_of(baseline), baseline.teacher, baseline.result.evaluation.split
    smooth, rough = (
        predict(Detector(teacher, network, SIZE, sigma=sigma), loader(split), batch_size=7) for sigma in (4.0, 0.0)
    )
    assert np.abs(np.diff(rough.anomaly_maps)).max() > 2 * np.abs(np.diff(smooth.anomaly_maps)).max()


def test_the_metrics_are_those_of_the_prediction(baseline):
    test = baseline.result.evaluation.split
    found = evaluate(Detector(baseline.teacher, network_of(baseline), SIZE), loader(test), batch_size=3)
    maps, scores = found.prediction.anomaly_maps, found.prediction.image_scores
    np.testing.assert_equal(found.metrics, compute_metrics(maps, test.masks, scores, test.labels, test.defect_types))
    np.testing.assert_equal(found.metrics, baseline.result.evaluation.metrics)
