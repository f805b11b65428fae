"""The connected regions of masks, from their pixels' places alone: what is not anomalous is not looked at."""

import numpy as np
from numba import njit


def region_of_each_pixel(positions: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Which 8-connected region each pixel lies in; none reaches into the next image.

    Args:
        positions: (P,) int64, where the pixels lie in the raveled (N, H, W) masks, ascending.
        shape: N, H, W.

    Returns:
        (P,) int64: for each pixel the index, among the P, of one pixel of its region, the same for all of it.
    """
    _, height, width = shape
    rows, columns = np.divmod(positions, width)
    # an empty column after each row and an empty row after each image keep apart what does not touch
    return _joined((rows + rows // height) * (width + 1) + columns, width + 1)


@njit(cache=True, nogil=True)
def _joined(places: np.ndarray, width: int) -> np.ndarray:
    """Union-find. `places` ascend, so that where the row above may touch a pixel only moves on."""
    parent = np.arange(len(places))
    upper = 0
    for pixel in range(len(places)):
        place = places[pixel]
        if pixel > 0 and places[pixel - 1] == place - 1:
            parent[pixel] = _root(parent, pixel - 1)
        while places[upper] < place - width - 1:
            upper += 1
        other = upper
        while places[other] <= place - width + 1:
            parent[_root(parent, other)] = _root(parent, pixel)
            other += 1
    for pixel in range(len(places)):
        parent[pixel] = _root(parent, pixel)
    return parent


@njit(cache=True, nogil=True)
def _root(parent: np.ndarray, pixel: int) -> int:
    while parent[pixel] != pixel:
        parent[pixel] = parent[parent[pixel]]
        pixel = parent[pixel]
    return pixel
