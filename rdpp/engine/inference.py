"""A trained network made ready to judge: the whole way from pixels to anomaly map and image score."""

import copy

import torch
from torch import Tensor

from rdpp.engine.device import computing, place
from rdpp.experiment import Precision
from rdpp.models import Network, Teacher
from rdpp.models.folding import fold_batch_norms
from rdpp.scoring import anomaly_map, image_score
from rdpp.types import Stages


class Detector:
    """Teacher and a copy of a network, in eval mode, the BatchNorms folded into the convolutions before them.

    It gives what the network gives in eval mode but for rounding, in less time; the network stays as it is.
    """

    def __init__(
        self, teacher: Teacher, network: Network, *, sigma: float = 4.0, precision: Precision = "fp32"
    ) -> None:
        self.teacher, self.sigma = teacher, sigma
        self.precision: Precision = precision
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        fold_batch_norms(self.network)
        place(self.network, teacher.mean.device)

    @torch.no_grad()
    def __call__(self, images: Tensor, stages: Stages | None = None) -> tuple[Tensor, Tensor]:
        """Judge a batch.

        Args:
            images: (B, 3, H, W) on the teacher's device, uint8, or floating point in [0, 1].
            stages: the teacher's features of them, where they are known already.

        Returns:
            (B, 1, H, W) anomaly maps and (B,) image scores, float32, larger = more anomalous.
        """
        pixels = images if images.is_floating_point() else images.float().div_(255)
        with computing(self.teacher.mean.device, self.precision):
            features = self.network(stages or self.teacher(pixels)).float()
        maps = anomaly_map(features.teacher, features.student, (images.shape[2], images.shape[3]), self.sigma)
        return maps, image_score(maps)
