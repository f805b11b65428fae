"""The values that flow from images to metrics.

Shape legend, used by every docstring: B images, C channels, H x W pixels; k = stage (0, 1, 2: strides 4, 8, 16
of the image); N images of a whole data split.
"""

from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
import torch
from torch import Tensor

Stages = tuple[Tensor, ...]
"""One (B, C_k, H_k, W_k) tensor a stage, finest first."""
Precision = Literal["fp32", "bf16"]
"""What convolutions compute in."""


@dataclass(frozen=True)
class Batch:
    """Images of one training or evaluation step."""

    images: Tensor
    """(B, 3, H, W) float32 in [0, 1]."""
    indices: Tensor
    """(B,) int64, positions in the split they were drawn from."""
    teacher: Stages | None = None
    """The teacher's features of the images, where they are known already."""


@dataclass(frozen=True)
class Features:
    """What the losses and the anomaly map see. The noisy parts are None where no pseudo-anomaly was made,
    the projected ones are the teacher's own where the network has no projection, and student_noisy is None where no
    loss looks at it."""

    teacher: Stages
    projected: Stages
    student: Stages
    teacher_noisy: Stages | None = None
    projected_noisy: Stages | None = None
    student_noisy: Stages | None = None

    def float(self) -> "Features":
        """The same in float32; what is wider already stays as it is."""
        stages = {f.name: getattr(self, f.name) for f in fields(self)}
        return Features(**{name: of and tuple(_single(stage) for stage in of) for name, of in stages.items()})


def _single(stage: Tensor) -> Tensor:
    return stage if stage.dtype == torch.float64 else stage.float()


@dataclass(frozen=True)
class Prediction:
    """What a trained network says of a split."""

    anomaly_maps: np.ndarray
    """(N, H, W) float32, larger = more anomalous; -inf where an image is padding and no picture."""
    image_scores: np.ndarray
    """(N,) float32."""
