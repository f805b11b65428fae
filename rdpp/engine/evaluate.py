"""A trained network against a split."""

import numpy as np

from rdpp.data import ordered
from rdpp.detector import Detector
from rdpp.engine.events import Evaluation
from rdpp.engine.feed import Feed
from rdpp.experiment import ExperimentConfig
from rdpp.metrics import evaluate as compute_metrics
from rdpp.models import Network, Teacher
from rdpp.types import Prediction


def evaluate_with(experiment: ExperimentConfig, teacher: Teacher, network: Network, feed: Feed) -> Evaluation:
    """A network on the images of a feed, at the size, smoothing, precision and batch size of a resolved experiment."""
    size, sigma = experiment.data.size, experiment.evaluation.sigma
    detector = Detector(teacher, network, size, sigma=sigma, precision=experiment.precision)
    return evaluate(detector, feed, batch_size=experiment.training.batch_size)


def evaluate(detector: Detector, feed: Feed, *, batch_size: int) -> Evaluation:
    """Predict the whole split and compute every metric, over all images and by defect type."""
    prediction, split = predict(detector, feed, batch_size=batch_size), feed.split
    metrics = compute_metrics(
        prediction.anomaly_maps, split.masks, prediction.image_scores, split.labels, split.defect_types
    )
    return Evaluation(metrics=metrics, prediction=prediction, split=split)


def predict(detector: Detector, feed: Feed, *, batch_size: int) -> Prediction:
    """Anomaly maps and image scores of every image, in the split's order."""
    height, width = feed.split.images.shape[2:]
    maps, scores = np.empty((len(feed), height, width), np.float32), np.empty(len(feed), np.float32)
    for batch in feed.batches(ordered(len(feed), batch_size)):
        batch_maps, batch_scores = detector(batch.images, batch.teacher)
        rows = batch.indices.numpy()
        maps[rows] = batch_maps[:, 0].cpu().numpy()
        scores[rows] = batch_scores.cpu().numpy()
    return Prediction(maps, scores)
