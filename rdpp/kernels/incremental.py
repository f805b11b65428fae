"""Features of images that differ from known ones in a small rectangle: computed around it, taken over elsewhere.

What lies around a changed pixel is known of layers whose outputs see their inputs through a window. Of each part, the
layers from one stage to the next, these windows add up to a reach: so far around a rectangle the part's output may
differ. A crop of the input that is wider by a reach and a margin gives that output; the crop's own border, where zeros
take the place of pixels that were cut off, spoils a margin's width of it, which is thrown away.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rdpp.kernels.switch import are_on

_MULTIPLE = 4
"""Of which a crop's output has sides: Winograd's tiles fit then."""
_POINTWISE = (nn.ReLU, nn.Identity, nn.BatchNorm2d)
"""Layers that look at one position alone; a BatchNorm does in eval mode."""
_Stages = tuple[Tensor, ...]


def stages_near(
    parts: Sequence[nn.Sequential],
    images: Tensor,
    changed: Tensor,
    known: _Stages,
    blocks: tuple[type[nn.Module], ...] = (),
) -> _Stages:
    """The stages of images, given those of like images that differ from them inside rectangles only.

    Exact but for rounding: around each rectangle as much is computed anew as it can reach, with a margin, and a
    border of the crop that is none of the image stays outside of what is kept. Later stages see more and more.

    Args:
        parts: the layers to the first stage, from there to the second, and so on.
        images: (B, C, H, W).
        changed: (B, 1, H, W) bool, True where they differ; all is taken to differ of an image where nothing is True.
        known: the other images' stages.
        blocks: modules of several layers that add up paths of them, position by position, such as residual blocks.

    Raises:
        ValueError: a layer whose outputs may see the whole image.
    """
    if not are_on():
        return stages_near_plain(parts, images, changed, known)
    stages, x, where = [], images, boxes(changed)
    for layers, clean in zip(parts, known, strict=True):
        x, where = _Part.of(layers, blocks)(x, where, clean)
        stages.append(x)
    return tuple(stages)


def stages_near_plain(parts: Sequence[nn.Sequential], images: Tensor, changed: Tensor, known: _Stages) -> _Stages:
    """All of the stages, computed anew."""
    stages, x = [], images
    for layers in parts:
        x = layers(x)
        stages.append(x)
    return tuple(stages)


@dataclass(frozen=True)
class _Part:
    """The layers from one stage to the next."""

    layers: nn.Sequential
    stride: int
    reach: int
    """Input pixels on either side that an output position may depend on."""

    @classmethod
    def of(cls, layers: nn.Sequential, blocks: tuple[type[nn.Module], ...]) -> "_Part":
        """Only kernels wider than 1 reach out; the 1x1 shortcuts repeat a stride that is counted already."""
        reach, stride = 0, 1
        for layer in layers.modules():
            width = _width(layer, blocks)
            if width > 1:
                # a window of this layer, in pixels of the part's input, which all strides so far have made coarser
                reach += width // 2 * stride
                assert isinstance(layer, nn.Conv2d | nn.MaxPool2d)
                stride *= _first(layer.stride)
        return cls(layers, stride, reach)

    def __call__(self, x: Tensor, changed: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """The output for `x`, and where it may differ from `known`; `changed`: where x does (see `boxes`)."""
        # an input whose sides are no multiple of the stride: a window's place in it would not be whole
        if any(inner != outer * self.stride for inner, outer in zip(x.shape[2:], known.shape[2:], strict=True)):
            return self.layers(x), boxes(torch.ones_like(known[:, :1], dtype=torch.bool))
        sides = known.shape[2:]
        affected = self._affected(changed, torch.tensor(sides))
        down, across = (self._window(affected[:, axis], side) for axis, side in enumerate(sides))
        # late stages are changed all over: then the whole is one plain computation
        if (down.size, across.size) == tuple(sides):
            return self.layers(x), affected
        crops = torch.stack([image[rows, columns] for image, rows, columns in _rows(x, down.read, across.read)])
        # the crops are stacked as (B, H, W, C): their permutation is channels_last, as convolutions like it
        computed = _rows(self.layers(crops.permute(0, 3, 1, 2)), down.kept, across.kept)
        y = known.clone()
        for target, source in zip(_rows(y, down.written, across.written), computed, strict=True):
            (whole, *here), (crop, *inner) = target, source
            whole[here[0], here[1]] = crop[inner[0], inner[1]]
        return y, affected

    def _affected(self, changed: Tensor, sides: Tensor) -> Tensor:
        """(B, 2, 2) first and one past the last output row, then column, whose window meets a changed pixel.

        Output position i looks at the pixels from i * stride - reach to i * stride + reach.
        """
        first = (changed[..., 0] - self.reach) // self.stride  # rounded down, so a position too many at most
        last = (changed[..., 1] - 1 + self.reach) // self.stride
        return torch.minimum(torch.stack([first, last + 1], -1).clamp_min(0), sides[:, None])

    def _window(self, out: Tensor, side: int) -> "_Window":
        """One axis: windows of one size for all images, with a margin that keeps the crop's border away."""
        # one size, the largest, so that all crops go through the layers as one batch
        size = int((out[:, 1] - out[:, 0]).max())
        # a window that would pass the image's end begins earlier instead
        starts = out[:, 0].clamp_max(side - size)
        # zeros at the crop's border stand for pixels that are there in the image; they spoil so many outputs
        margin = -(-self.reach // self.stride)
        read = min(-(-(size + 2 * margin) // _MULTIPLE) * _MULTIPLE, side)
        # at the image's own border the crop ends where the image does, and the zeros are the right ones
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


def _width(layer: nn.Module, blocks: tuple[type[nn.Module], ...]) -> int:
    """Of the window through which a layer sees its input, centred on each output; 1 for what only holds layers."""
    if isinstance(layer, nn.Conv2d | nn.MaxPool2d) and _is_centred(layer):
        return _first(layer.kernel_size)
    # a BatchNorm that trains takes its statistics from all positions
    trains = isinstance(layer, nn.BatchNorm2d) and layer.training
    if isinstance(layer, (nn.Sequential, *_POINTWISE, *blocks)) and not trains:
        return 1
    raise ValueError(
        f"what {layer} sees of an image is not known, so features cannot be computed around a changed place alone; "
        "compute all of them, such as by kernels: off"
    )


def _is_centred(layer: nn.Conv2d | nn.MaxPool2d) -> bool:
    """Whether the window is a square with its middle at the output's place, and zeros lie around the image."""
    width, stride = _first(layer.kernel_size), _first(layer.stride)
    pairs = ((layer.kernel_size, width), (layer.stride, stride), (layer.padding, width // 2), (layer.dilation, 1))
    plain = not layer.ceil_mode if isinstance(layer, nn.MaxPool2d) else layer.padding_mode == "zeros"
    return plain and width % 2 == 1 and all(found in (wanted, (wanted, wanted)) for found, wanted in pairs)


def _rows(x: Tensor, down: list[slice], across: list[slice]) -> list[tuple[Tensor, slice, slice]]:
    """Each image as (H, W, C), with its two slices."""
    return list(zip(x.permute(0, 2, 3, 1), down, across, strict=True))


def _first(size: int | tuple[int, ...]) -> int:
    return size if isinstance(size, int) else size[0]
