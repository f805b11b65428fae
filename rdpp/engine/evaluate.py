"""A trained network against a split."""

import numpy as np
import torch

from rdpp.data import ordered
from rdpp.engine.events import Evaluation
from rdpp.engine.feed import Feed
from rdpp.metrics import evaluate as compute_metrics
from rdpp.models import Network, Teacher
from rdpp.scoring import anomaly_map, image_score
from rdpp.types import Prediction


def evaluate(teacher: Teacher, network: Network, feed: Feed, *, batch_size: int, sigma: float) -> Evaluation:
    """Predict the whole split and compute every metric, over all images and by defect type."""
    prediction, split = predict(teacher, network, feed, batch_size=batch_size, sigma=sigma), feed.split
    metrics = compute_metrics(
        prediction.anomaly_maps, split.masks, prediction.image_scores, split.labels, split.defect_types
    )
    return Evaluation(metrics, prediction, split)


@torch.no_grad()
def predict(teacher: Teacher, network: Network, feed: Feed, *, batch_size: int, sigma: float) -> Prediction:
    """Anomaly maps and image scores of every image, in the split's order. Leaves the network's mode as it was."""
    training = network.training
    network.eval()
    height, width = feed.split.images.shape[2:]
    maps, scores = np.empty((len(feed), height, width), np.float32), np.empty(len(feed), np.float32)
    for batch in feed.batches(ordered(len(feed), batch_size)):
        features = network(batch.teacher or teacher(batch.images))
        batch_maps = anomaly_map(features.teacher, features.student, (height, width), sigma)
        rows = batch.indices.numpy()
        maps[rows] = batch_maps[:, 0].cpu().numpy()
        scores[rows] = image_score(batch_maps).cpu().numpy()
    network.train(training)
    return Prediction(maps, scores)
