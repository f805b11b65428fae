"""The whole way of an image as one module: from its pixels as a file has them to the map at the image's own size.

Resizing is written as gathers along rows and columns, since exported programs then take images of any size, padded ones
too. It is bilinear without antialiasing, as in training.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from rdpp.data.decoding import Fit
from rdpp.detector import Detector


class Program(nn.Module):
    """A detector for images as they come; exportable.

    Args:
        detector: for images of its own size.
        fit: how images were brought to that size in training: `stretch` or `pad`.
    """

    def __init__(self, detector: Detector, fit: Fit) -> None:
        super().__init__()
        self.detector, self.fit = detector, fit

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Judge images of one size.

        Args:
            images: (B, height, width, 3) uint8, RGB.

        Returns:
            (B, height, width) anomaly maps and (B,) image scores, float32, larger = more anomalous.
        """
        down, across = self._boxes(images.shape[1], images.shape[2])
        pixels = _resized(images.movedim(-1, 1).float() / 255, *self._inwards(images, down, across))
        maps, _ = self.detector(pixels)
        maps = maps[:, 0].index_select(1, down.inside()).index_select(2, across.inside())
        scores = maps.amax((1, 2))  # rows and columns of the padding repeat the picture's
        return _resized(maps, *self._outwards(images, down, across)), scores

    def _boxes(self, height: int, width: int) -> "tuple[_Extent, _Extent]":
        """Where the picture lies, down and across; see `rdpp.data.resizing.placed`."""
        sides = self.detector.size
        own = [torch.scalar_tensor(side, dtype=torch.float64) for side in (height, width)]
        scale = torch.minimum(sides[0] / own[0], sides[1] / own[1])
        down, across = (
            _Extent.padded(torch.round(scale * one), side) if self.fit == "pad" else _Extent.stretched(side)
            for one, side in zip(own, sides, strict=True)
        )
        return down, across

    def _inwards(self, images: Tensor, down: "_Extent", across: "_Extent") -> "tuple[_Taken, _Taken]":
        rows, columns = (
            _taken(extent.inside() - extent.start, extent.length, torch.scalar_tensor(side))
            for extent, side in ((down, images.shape[1]), (across, images.shape[2]))
        )
        return rows, columns

    def _outwards(self, images: Tensor, down: "_Extent", across: "_Extent") -> "tuple[_Taken, _Taken]":
        rows, columns = (
            _taken(torch.arange(side), torch.scalar_tensor(side), extent.length).moved(extent.start)
            for extent, side in ((down, images.shape[1]), (across, images.shape[2]))
        )
        return rows, columns


class _Extent(NamedTuple):
    """Of a picture along one side of the network's image."""

    start: Tensor
    length: Tensor
    side: int

    @classmethod
    def stretched(cls, side: int) -> "_Extent":
        return cls(torch.tensor(0), torch.tensor(side), side)

    @classmethod
    def padded(cls, count: Tensor, side: int) -> "_Extent":
        count = count.clamp(1, side).long()
        return cls((side - count) // 2, count, side)

    def inside(self) -> Tensor:
        """(side,) the position of each row, or of the picture's row that stands next to it."""
        return torch.minimum(torch.maximum(torch.arange(self.side), self.start), self.start + self.length - 1)


class _Taken(NamedTuple):
    """Which two rows each new row is a mean of, and the weight of the second."""

    first: Tensor
    second: Tensor
    weight: Tensor

    def moved(self, start: Tensor) -> "_Taken":
        return _Taken(self.first + start, self.second + start, self.weight)


def _taken(positions: Tensor, new: Tensor, old: Tensor) -> _Taken:
    """For new rows at these positions of `new`, rows of `old` (torch's bilinear, corners not aligned)."""
    source = ((positions.float() + 0.5) * (old.float() / new.float()) - 0.5).clamp(min=0)
    first = torch.minimum(source.long(), old.long() - 1)
    return _Taken(first, torch.minimum(first + 1, old.long() - 1), source - first.float())


def _resized(values: Tensor, rows: _Taken, columns: _Taken) -> Tensor:
    """(..., h, w) with new rows and columns."""
    for axis, taken, weight in ((-1, columns, columns.weight), (-2, rows, rows.weight[:, None])):
        values = (
            values.index_select(axis, taken.first) * (1 - weight) + values.index_select(axis, taken.second) * weight
        )
    return values
