"""A trained network against a split."""

import numpy as np

from rdpp.data import ordered
from rdpp.detector import Detector
from rdpp.engine.loader import DataLoader
from rdpp.engine.results import Evaluation
from rdpp.experiment import ExperimentConfig
from rdpp.metrics import evaluate as compute_metrics
from rdpp.models import Network, Teacher
from rdpp.types import Prediction


def detector_of(experiment: ExperimentConfig, teacher: Teacher, network: Network) -> Detector:
    """A trained network made ready to judge, with the settings of its experiment."""
    size, sigma = experiment.data.size, experiment.evaluation.sigma
    return Detector(teacher, network, size, sigma=sigma, precision=experiment.precision)


def evaluate_with(experiment: ExperimentConfig, teacher: Teacher, network: Network, loader: DataLoader) -> Evaluation:
    """Evaluate a network on a loader's images, with the settings of a resolved experiment."""
    detector = detector_of(experiment, teacher, network)
    return evaluate(detector, loader, batch_size=experiment.training.batch_size)


def evaluate(detector: Detector, loader: DataLoader, *, batch_size: int) -> Evaluation:
    """Predict the whole split and compute every metric, over all images and by defect type."""
    prediction, split = predict(detector, loader, batch_size=batch_size), loader.split
    metrics = compute_metrics(
        prediction.anomaly_maps, loader.regions, prediction.image_scores, split.labels, split.defect_types
    )
    return Evaluation(metrics=metrics, prediction=prediction, split=split)


def predict(detector: Detector, loader: DataLoader, *, batch_size: int) -> Prediction:
    """Anomaly maps and image scores of every image, in the split's order."""
    height, width = loader.split.images.shape[2:]
    maps, scores = np.empty((len(loader), height, width), np.float32), np.empty(len(loader), np.float32)
    for batch in loader.batches(ordered(len(loader), batch_size)):
        batch_maps, batch_scores = detector(batch.images, batch.teacher)
        rows = batch.indices.numpy()
        maps[rows] = batch_maps[:, 0].cpu().numpy()
        scores[rows] = batch_scores.cpu().numpy()
    if loader.split.boxes is not None:
        maps[loader.split.padding] = -np.inf
        scores = maps.max((1, 2))
    return Prediction(maps, scores)
