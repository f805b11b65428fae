"""3x3 convolutions with fewer multiplications: Winograd's minimal filtering, F(4x4, 3x3).

Source: Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, CVPR 2016. A tile of 6 x 6 inputs gives 4 x 4
outputs by 36 products for each pair of channels, where the plain sum takes 144. Tiles are transformed by one small
matrix, and the products of all tiles are 36 matrix products, so that all of it runs at the speed of matrix products.
In float32 the rounding error is 3e-6 of the values, three times that of the plain sum.

Everything here is for stride 1, padding 1, float32 on a CPU, and sides that are multiples of 4.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

_INPUT = torch.tensor(
    [
        [4.0, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ]
)
_FILTER = torch.tensor([[6.0, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]) / 24
_OUTPUT = torch.tensor([[1.0, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]])
# of both axes at once: (36, 36), (36, 9), (16, 36)
_TO_INPUT, _TO_FILTER, _TO_OUTPUT = (torch.kron(matrix, matrix) for matrix in (_INPUT, _FILTER, _OUTPUT))

_TILES = 256
"""In work at a time: few enough to stay in the processor's cache, enough for matrix products at full speed."""


def fits(x: Tensor) -> bool:
    """Whether maps (N, C, H, W) can be cut into tiles."""
    return x.shape[2] % 4 == x.shape[3] % 4 == 0


def convolve(x: Tensor, weight: Tensor) -> Tensor:
    """(N, C, H, W) by weights (K, C, 3, 3): (N, K, H, W), channels_last."""
    return _filtered(x, _spectra(weight, _TO_FILTER).transpose(1, 2))


def input_gradient(gradient: Tensor, weight: Tensor) -> Tensor:
    """Of `convolve`, from the gradient at its output: the same with the weights reversed."""
    return _filtered(gradient, _spectra(weight, _TO_FILTER.flip(1)))


def weight_gradient(gradient: Tensor, x: Tensor) -> Tensor:
    """Of `convolve`, (K, C, 3, 3), channels_last.

    Its products with their parts exchanged: each tile's gradient, by the transposed transform, times the transformed
    input, summed over all tiles.
    """
    outputs, inputs, chunk = gradient.shape[1], x.shape[1], _chunk(x)
    summed = x.new_zeros(36, outputs, inputs)
    pairs = zip(_tiles(gradient, 4, chunk, _TO_OUTPUT.T), _tiles(x, 6, chunk, _TO_INPUT), strict=True)
    for gradients, tiles in pairs:
        summed.baddbmm_(gradients.transpose(1, 2), tiles)
    by_position = (_TO_FILTER.T @ summed.view(36, -1)).view(9, outputs, inputs)
    return by_position.transpose(0, 1).contiguous().view(outputs, 3, 3, inputs).permute(0, 3, 1, 2)


def _spectra(weight: Tensor, transform: Tensor) -> Tensor:
    """(K, C, 3, 3) weights, transformed: (36, K, C)."""
    by_position = weight.permute(2, 3, 0, 1).reshape(9, -1)
    return (transform @ by_position).view(36, *weight.shape[:2])


def _filtered(maps: Tensor, filters: Tensor) -> Tensor:
    """(N, C, H, W) maps by (36, C, K) transformed filters: (N, K, H, W)."""
    count, _, height, width = maps.shape
    channels, chunk = filters.shape[2], _chunk(maps)
    tiled = (chunk, height // 4, 4, width // 4, 4, channels)
    y = maps.new_empty(count, height, width, channels)
    products = maps.new_empty(36, chunk * height * width // 16, channels)
    finished = maps.new_empty(16, products[0].numel())
    placed = finished.view(4, 4, chunk, height // 4, width // 4, channels).permute(2, 3, 0, 4, 1, 5)
    for target, tiles in zip(y.split(chunk), _tiles(maps, 6, chunk, _TO_INPUT), strict=True):
        torch.bmm(tiles, filters, out=products)
        torch.mm(_TO_OUTPUT, products.view(36, -1), out=finished)
        target.view(tiled).copy_(placed)
    return y.permute(0, 3, 1, 2)


def _tiles(maps: Tensor, side: int, chunk: int, transform: Tensor) -> Iterator[Tensor]:
    """The transformed tiles (36, tiles, C) of `chunk` images after the other, always in the same memory.

    Tiles lie 4 apart; those of side 6 reach over their neighbours, and over the border, where there are zeros.
    """
    _, channels, height, width = maps.shape
    border = (side - 4) // 2
    padded = maps.new_zeros(chunk, height + 2 * border, width + 2 * border, channels)
    image, row, column, _ = padded.stride()
    shape = (side, side, chunk, height // 4, width // 4, channels)
    windows = padded.as_strided(shape, (row, column, image, 4 * row, 4 * column, 1))
    gathered = maps.new_empty(shape)
    found = maps.new_empty(36, gathered[0, 0].numel())
    for images in maps.permute(0, 2, 3, 1).split(chunk):
        padded[:, border : border + height, border : border + width] = images
        gathered.copy_(windows)
        torch.mm(transform, gathered.view(side * side, -1), out=found)
        yield found.view(36, -1, channels)


def _chunk(maps: Tensor) -> int:
    """Images in work at a time: as many as make `_TILES`, in equal parts."""
    count, _, height, width = maps.shape
    most = max(1, _TILES * 16 // (height * width))
    return max(n for n in range(1, count + 1) if count % n == 0 and n <= most)
