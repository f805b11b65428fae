"""The distance of which distillation, reconstruction and denoising are made."""

import torch
from torch import Tensor

from rdpp.kernels.cosine import cosine_similarity
from rdpp.types import Stages

POSITIONS = (1,)
"""Dimensions of a vector where positions are compared, each along the channels."""
IMAGES = (1, 2, 3)
"""The same where images are compared, each as one vector."""


def cosine_distance(first: Stages, second: Stages, dim: tuple[int, ...]) -> Tensor:
    """Sum over stages of the mean of 1 - cos over all vectors, which are those of POSITIONS or IMAGES."""
    pairs = zip(first, second, strict=True)
    return torch.stack([(1 - cosine_similarity(one, other, dim)).mean() for one, other in pairs]).sum()
