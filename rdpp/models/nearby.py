"""Features of images that differ from known ones in a small rectangle: computed around it, taken over elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rdpp.types import Stages

_MULTIPLE = 4
"""Of which a crop's output has sides: Winograd's tiles fit then."""


@dataclass(frozen=True)
class _Part:
    """The layers from one stage to the next."""

    layers: nn.Sequential
    stride: int
    reach: int
    """Input pixels on either side that an output position may depend on."""

    @classmethod
    def of(cls, layers: nn.Sequential) -> "_Part":
        """Only kernels wider than 1 reach out; the 1x1 shortcuts repeat a stride that is counted already."""
        reach, stride = 0, 1
        for layer in layers.modules():
            if isinstance(layer, nn.Conv2d | nn.MaxPool2d) and (width := _first(layer.kernel_size)) > 1:
                reach += width // 2 * stride
                stride *= _first(layer.stride)
        return cls(layers, stride, reach)

    def __call__(self, x: Tensor, changed: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """The output for `x`, and where it may differ from `known`; `changed`: where x does (see `boxes`)."""
        out = torch.stack([(changed[..., 0] - self.reach) // self.stride, (changed[..., 1] - 1 + self.reach)], -1)
        out[..., 1] = out[..., 1] // self.stride + 1
        sides = torch.tensor(known.shape[2:])
        out = torch.minimum(out.clamp_min(0), sides[:, None])
        windows = [self._window(out[:, axis], int(side)) for axis, side in enumerate(sides)]
        if all(window.size == side for window, side in zip(windows, sides.tolist(), strict=True)):
            return self.layers(x), out
        crops = torch.stack([image[down, across] for image, down, across in _rows(x, *(w.read for w in windows))])
        found = self.layers(crops.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        y = known.clone()
        kept = _rows(found.permute(0, 3, 1, 2), *(w.kept for w in windows))
        for (place, down, across), (image, *inner) in zip(_rows(y, *(w.written for w in windows)), kept, strict=True):
            place[down, across] = image[inner[0], inner[1]]
        return y, out

    def _window(self, out: Tensor, side: int) -> "_Window":
        """One axis: windows of one size for all images, with a margin that keeps the crop's border away."""
        size = int((out[:, 1] - out[:, 0]).max())
        starts = out[:, 0].clamp_max(side - size)
        margin = -(-self.reach // self.stride)
        read = min(-(-(size + 2 * margin) // _MULTIPLE) * _MULTIPLE, side)
        first = (starts - margin).clamp(0, side - read)
        return _Window(
            size,
            [slice(a * self.stride, (a + read) * self.stride) for a in first.tolist()],
            [slice(a, a + size) for a in (starts - first).tolist()],
            [slice(a, a + size) for a in starts.tolist()],
        )


@dataclass(frozen=True)
class _Window:
    """Along one axis, a slice for each image."""

    size: int
    read: list[slice]
    """Of the input."""
    kept: list[slice]
    """Of the output of what was read."""
    written: list[slice]
    """Of the whole output."""


def stages_near(parts: Sequence[nn.Sequential], images: Tensor, changed: Tensor, known: Stages) -> Stages:
    """The stages of images, given those of like images that differ from them inside rectangles only.

    Exact but for rounding: around each rectangle as much is computed anew as it can reach, with a margin, and a
    border of the crop that is none of the image stays outside of what is kept. Later stages see more and more.

    Args:
        parts: the layers to the first stage, from there to the second, and so on.
        images: (B, C, H, W).
        changed: (B, 2, 2) int64, see `boxes`.
        known: the other images' stages.
    """
    stages, x = [], images
    for layers, clean in zip(parts, known, strict=True):
        x, changed = _Part.of(layers)(x, changed, clean)
        stages.append(x)
    return tuple(stages)


def boxes(mask: Tensor) -> Tensor:
    """(B, 1, H, W) bool to (B, 2, 2) int64: first and one past the last row, then column, of what is True.

    All of the image where nothing is.
    """
    axes = []
    for other in (3, 2):
        hit = mask.any(other)[:, 0]
        hit |= ~hit.any(1, keepdim=True)
        side = hit.shape[1]
        axes.append(torch.stack([hit.int().argmax(1), side - hit.flip(1).int().argmax(1)], -1))
    return torch.stack(axes, 1)


def _rows(x: Tensor, down: list[slice], across: list[slice]) -> list[tuple[Tensor, slice, slice]]:
    """Each image as (H, W, C), with its two slices."""
    return list(zip(x.permute(0, 2, 3, 1), down, across, strict=True))


def _first(size: int | tuple[int, ...]) -> int:
    return size if isinstance(size, int) else size[0]
