"""A trained network made ready to judge: the whole way from pixels to anomaly map and image score.

Everything is a tensor operation on buffers, so that torch.export can take all of it away as one program.
"""

import copy
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, interpolate

from rdpp.models import STRIDES, Network, Teacher
from rdpp.models.folding import fold_batch_norms
from rdpp.models.teacher import without_gradients
from rdpp.types import Precision, Stages

SIGMA = 4.0  # RD4AD
"""Of the anomaly map's Gaussian, in pixels."""
_STRIDE = 32  # of the bottleneck's embedding; other sides break the student's sizes
_TRUNCATE = 4.0
"""Sigmas that the Gaussian reaches (scipy's default, which the released code takes)."""


class Detector(nn.Module):
    """Teacher and a copy of a network, in eval mode always, the BatchNorms folded into the convolutions before them.

    It gives what the network gives in eval mode but for rounding, in less time; the network stays as it is.

    Args:
        size: (H, W) of the images.
        sigma: of the anomaly map's Gaussian, in pixels; 0 for none.
        precision: what convolutions compute in.

    Raises:
        ValueError: a side is no multiple of 32.
    """

    def __init__(
        self,
        teacher: Teacher,
        network: Network,
        size: tuple[int, int],
        *,
        sigma: float = SIGMA,
        precision: Precision = "fp32",
    ) -> None:
        super().__init__()
        if any(side % _STRIDE or side < _STRIDE for side in size):
            raise ValueError(f"sides of images must be multiples of {_STRIDE}, got {size}; resize them")
        self.size = (size[0], size[1])
        self.precision: Precision = precision
        self.teacher = teacher
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        fold_batch_norms(self.network)
        self.network.to(teacher.mean.device).to(memory_format=torch.channels_last)
        stages = [(size[0] // stride, size[1] // stride) for stride in STRIDES]
        self.anomaly_map = AnomalyMap(size, stages, sigma).to(teacher.mean)
        self.eval()

    def train(self, mode: bool = True) -> "Detector":
        """Stay in eval mode: it judges, and its BatchNorms are folded away."""
        return super().train(False)

    def forward(self, images: Tensor, stages: Stages | None = None) -> tuple[Tensor, Tensor]:
        """Judge a batch.

        Args:
            images: (B, 3, H, W) on the teacher's device, uint8, or floating point in [0, 1].
            stages: the teacher's features of them, where they are known already.

        Returns:
            (B, 1, H, W) anomaly maps and (B,) image scores, float32, larger = more anomalous.

        Raises:
            ValueError: images of another size.
        """
        if (size := tuple(images.shape[2:])) != self.size:
            raise ValueError(
                f"the detector was made for images of {self.size} pixels (height, width), got {size}; resize them, or "
                "make another detector"
            )
        pixels = images if images.is_floating_point() else images.to(self.teacher.mean.dtype).div_(255)
        with without_gradients():
            with self._computing(pixels.device):
                features = self.network(stages or self.teacher(pixels)).float()
            maps = self.anomaly_map(features.teacher, features.student)
            return maps, image_score(maps)

    def _computing(self, device: torch.device) -> AbstractContextManager:
        """In the detector's precision, whatever is set around it; an exported program is in float32 anyway."""
        if self.precision == "fp32" and torch.compiler.is_exporting():
            return nullcontext()
        return torch.autocast(device.type, torch.bfloat16, enabled=self.precision == "bf16")


class AnomalyMap(nn.Module):
    """Sum over stages of 1 - cos(teacher, student) along channels, enlarged and smoothed (RD4AD, section 3.4).

    Enlarging (bilinear, corners aligned) and the Gaussian (truncated at 4 sigma, reflecting) are linear and separable,
    so each stage is multiplied by one matrix from the left and one from the right.

    Args:
        size: (H, W) of the map.
        stages: (H_k, W_k) of each stage.
        sigma: of the Gaussian, in pixels; 0 for none.
    """

    def __init__(self, size: tuple[int, int], stages: Sequence[tuple[int, int]], sigma: float = SIGMA) -> None:
        super().__init__()
        self.stages = nn.ModuleList(_Enlarged(stage, size, sigma) for stage in stages)

    def forward(self, teacher: Stages, student: Stages) -> Tensor:
        """Stages (B, C_k, H_k, W_k) of both to (B, 1, H, W), larger = more anomalous."""
        maps = [
            enlarged(1 - cosine_similarity(first, second))
            for enlarged, first, second in zip(self.stages, teacher, student, strict=True)
        ]
        return torch.stack(maps).sum(0).unsqueeze(1)


def image_score(maps: Tensor) -> Tensor:
    """(B, 1, H, W) to (B,): the map's maximum (released code)."""
    return maps.amax((1, 2, 3))


class _Enlarged(nn.Module):
    """(B, h, w) to (B, H, W), smoothed: float64 matrices until the module is moved to another type."""

    down: Tensor
    across: Tensor

    def __init__(self, small: tuple[int, int], large: tuple[int, int], sigma: float) -> None:
        super().__init__()
        for name, axis in (("down", 0), ("across", 1)):
            matrix = _gaussian(large[axis], sigma) @ _enlargement(small[axis], large[axis])
            self.register_buffer(name, matrix, persistent=False)

    def forward(self, maps: Tensor) -> Tensor:
        return self.down @ maps @ self.across.T


def _enlargement(small: int, large: int) -> Tensor:
    """(large, small) float64: what bilinear enlargement does along one axis."""
    identity = torch.eye(small, dtype=torch.float64)[None]
    return interpolate(identity, size=large, mode="linear", align_corners=True)[0].T


@lru_cache(maxsize=16)
def _gaussian(size: int, sigma: float) -> Tensor:
    """(size, size) float64: what scipy.ndimage.gaussian_filter does along one axis with mode `reflect`.

    Beyond a border lies the mirror image, its first number the border's own, so that positions repeat after 2 * size.
    """
    if not sigma:
        return torch.eye(size, dtype=torch.float64)
    reach = int(_TRUNCATE * sigma + 0.5)
    offsets = torch.arange(-reach, reach + 1)
    weights = torch.exp(-0.5 / sigma**2 * offsets.double() ** 2)
    places = (torch.arange(size)[:, None] + offsets) % (2 * size)
    places = torch.minimum(places, 2 * size - 1 - places)
    # one position may be met several times, directly and in mirrors
    spread = (weights / weights.sum()).expand(size, -1)
    return torch.zeros(size, size, dtype=torch.float64).scatter_add_(1, places, spread)
