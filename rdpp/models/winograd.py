"""3x3 convolutions with fewer multiplications: Winograd's minimal filtering, F(4x4, 3x3).

Source: Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, CVPR 2016, section 4.3. A tile of 6 x 6
inputs gives 4 x 4 outputs by 36 products for each pair of channels, where the plain sum takes 144. The products of all
tiles are 36 matrix products; the transforms before and after them are additions, compiled, along rows and columns.
In float32 the rounding error is 3e-6 of the values, three times that of the plain sum.

Everything here is for stride 1, padding 1, float32 on a CPU, and sides that are multiples of 4.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numba import njit, prange
from torch import Tensor

from rdpp.cores import as_many_as_torch

_FILTER = torch.tensor([[6.0, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]) / 24
_TO_FILTER = torch.kron(_FILTER, _FILTER)  # of both axes at once: (36, 9)

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
    summed = x.new_empty(36, outputs, inputs)
    pairs = zip(_tiles(_gradient_tiles, gradient, chunk), _tiles(_input_tiles, x, chunk), strict=True)
    for number, (gradients, tiles) in enumerate(pairs):
        summed.baddbmm_(gradients.transpose(1, 2), tiles, beta=min(number, 1))
    by_position = (_TO_FILTER.T @ summed.view(36, -1)).view(9, outputs, inputs)
    return by_position.transpose(0, 1).contiguous().view(outputs, 3, 3, inputs).permute(0, 3, 1, 2)


def _spectra(weight: Tensor, transform: Tensor) -> Tensor:
    """(K, C, 3, 3) weights, transformed: (36, K, C)."""
    by_position = weight.permute(2, 3, 0, 1).reshape(9, -1)
    return (transform @ by_position).view(36, *weight.shape[:2])


def _filtered(maps: Tensor, filters: Tensor) -> Tensor:
    """(N, C, H, W) maps by (36, C, K) transformed filters: (N, K, H, W)."""
    count, _, height, width = maps.shape
    chunk = _chunk(maps)
    y = maps.new_empty(count, height, width, filters.shape[2])
    products = maps.new_empty(36, chunk * height * width // 16, filters.shape[2])
    for target, tiles in zip(y.split(chunk), _tiles(_input_tiles, maps, chunk), strict=True):
        torch.bmm(tiles, filters, out=products)
        _output_tiles(products.numpy(), target.numpy())
    return y.permute(0, 3, 1, 2)


def _tiles(transform: Callable[..., Any], maps: Tensor, chunk: int) -> Iterator[Tensor]:
    """The transformed tiles (36, tiles, C) of `chunk` images after the other, always in the same memory."""
    _, channels, height, width = maps.shape
    found = maps.new_empty(36, chunk * height * width // 16, channels)
    as_many_as_torch()
    for images in maps.detach().permute(0, 2, 3, 1).contiguous().split(chunk):
        transform(images.numpy(), found.numpy())
        yield found


def _chunk(maps: Tensor) -> int:
    """Images in work at a time: as many as make `_TILES`, in equal parts."""
    count, _, height, width = maps.shape
    most = max(1, _TILES * 16 // (height * width))
    return max(n for n in range(1, count + 1) if count % n == 0 and n <= most)


_TWO, _FOUR, _FIVE, _EIGHT = np.float32(2), np.float32(4), np.float32(5), np.float32(8)
_inner = njit(cache=True, fastmath={"contract"})
_loop = njit(cache=True, nogil=True, parallel=True, fastmath={"contract"})


@_loop
def _input_tiles(maps, found):
    """Maps (N, H, W, C) into (36, tiles, C): tiles of 6 x 6 pixels that lie 4 apart, reaching over their neighbours,
    and over the border, where there are zeros."""
    _, height, width, channels = maps.shape
    nothing = np.zeros(channels, np.float32)
    for tile in prange(found.shape[1]):
        half = np.empty((6, 6, channels), np.float32)
        image, row, column = _place(tile, height, width)
        for j in range(6):
            x = column + j - 1
            if 0 <= x < width:
                above = maps[image, row - 1, x] if row > 0 else nothing
                below = maps[image, row + 4, x] if row + 4 < height else nothing
                inside = maps[image, row : row + 4, x]
                _from_inputs(above, inside[0], inside[1], inside[2], inside[3], below, half[:, j])
            else:
                half[:, j] = 0
        for i in range(6):
            line = half[i]
            _from_inputs(line[0], line[1], line[2], line[3], line[4], line[5], found[6 * i : 6 * i + 6, tile])


@_loop
def _gradient_tiles(maps, found):
    """The same for tiles of 4 x 4 pixels without a border."""
    _, height, width, channels = maps.shape
    for tile in prange(found.shape[1]):
        half = np.empty((6, 4, channels), np.float32)
        image, row, column = _place(tile, height, width)
        for j in range(4):
            _from_gradients(maps[image, row : row + 4, column + j], half[:, j])
        for i in range(6):
            _from_gradients(half[i], found[6 * i : 6 * i + 6, tile])


@_loop
def _output_tiles(products, maps):
    """Products (36, tiles, C) into maps (N, H, W, C)."""
    _, height, width, channels = maps.shape
    for tile in prange(products.shape[1]):
        half = np.empty((4, 6, channels), np.float32)
        image, row, column = _place(tile, height, width)
        for j in range(6):
            _from_products(products[j::6, tile], half[:, j])
        for i in range(4):
            _from_products(half[i], maps[image, row + i, column : column + 4])


@_inner
def _place(tile, height, width):
    """A tile's image, and its first row and column."""
    down, across = height // 4, width // 4
    image, rest = tile // (down * across), tile % (down * across)
    return image, rest // across * 4, rest % across * 4


@_inner
def _from_inputs(a, b, c, d, e, f, out):
    """The transposed B of Lavin and Gray, times six vectors of channels."""
    for k in range(len(a)):
        even, odd = e[k] - _FOUR * c[k], d[k] - _FOUR * b[k]
        far_even, far_odd = e[k] - c[k], _TWO * (d[k] - b[k])
        out[0, k] = _FOUR * a[k] - _FIVE * c[k] + e[k]
        out[1, k] = even + odd
        out[2, k] = even - odd
        out[3, k] = far_even + far_odd
        out[4, k] = far_even - far_odd
        out[5, k] = _FOUR * b[k] - _FIVE * d[k] + f[k]


@_inner
def _from_gradients(x, out):
    """A, times four vectors of channels (4, C)."""
    for k in range(x.shape[1]):
        even, odd = x[0, k] + x[2, k], x[1, k] + x[3, k]
        far_even, far_odd = x[0, k] + _FOUR * x[2, k], _TWO * x[1, k] + _EIGHT * x[3, k]
        out[0, k] = x[0, k]
        out[1, k] = even + odd
        out[2, k] = even - odd
        out[3, k] = far_even + far_odd
        out[4, k] = far_even - far_odd
        out[5, k] = x[3, k]


@_inner
def _from_products(x, out):
    """The transposed A, times six vectors of channels (6, C)."""
    for k in range(x.shape[1]):
        near, far = x[1, k] + x[2, k], x[3, k] + x[4, k]
        near_odd, far_odd = x[1, k] - x[2, k], x[3, k] - x[4, k]
        out[0, k] = x[0, k] + near + far
        out[1, k] = near_odd + _TWO * far_odd
        out[2, k] = near + _FOUR * far
        out[3, k] = near_odd + _EIGHT * far_odd + x[5, k]
