"""Features to anomaly map to image score (RD4AD, section 3.4; released code)."""

from functools import lru_cache

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d
from torch import Tensor
from torch.nn.functional import cosine_similarity, interpolate

from rdpp.types import Stages


def anomaly_map(teacher: Stages, student: Stages, size: tuple[int, int], sigma: float = 4.0) -> Tensor:
    """Sum over stages of 1 - cos(teacher, student) along channels, enlarged to size and smoothed.

    Enlarging (bilinear, corners aligned) and the Gaussian (scipy's: truncated at 4 sigma, reflecting) are
    linear and separable, so each stage is multiplied by one matrix from the left and one from the right.

    Args:
        teacher, student: stages (B, C_k, H_k, W_k).
        size: (H, W) of the image.
        sigma: of the Gaussian, in pixels; 0 for none.

    Returns:
        (B, 1, H, W), larger = more anomalous.
    """
    maps = []
    for first, second in zip(teacher, student, strict=True):
        distance = 1 - cosine_similarity(first, second)
        left, right = (
            _enlarge_and_smooth(small, large, sigma).to(distance)
            for small, large in zip(distance.shape[1:], size, strict=True)
        )
        maps.append(left @ distance @ right.T)
    return torch.stack(maps).sum(0).unsqueeze(1)


def image_score(maps: Tensor) -> Tensor:
    """(B, 1, H, W) to (B,): the map's maximum."""
    return maps.amax((1, 2, 3))


@lru_cache(maxsize=64)
def _enlarge_and_smooth(small: int, large: int, sigma: float) -> Tensor:
    """(large, small) float64: bilinear enlargement followed by the Gaussian, along one axis."""
    identity = torch.eye(small, dtype=torch.float64)[None]
    enlarged = interpolate(identity, size=large, mode="linear", align_corners=True)[0].T.numpy()
    smooth = gaussian_filter1d(enlarged, sigma, axis=0, truncate=4.0, mode="reflect") if sigma else enlarged
    return torch.from_numpy(np.ascontiguousarray(smooth))
