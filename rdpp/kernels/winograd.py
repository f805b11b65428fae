"""3x3 convolutions with fewer multiplications: Winograd's minimal filtering, F(4x4, 3x3).

Source: Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, CVPR 2016, section 4.3. A tile of 6 x 6
inputs gives 4 x 4 outputs by 36 products for each pair of channels, where the plain sum takes 144. The products of all
tiles are 36 matrix products; the transforms before and after them are mostly additions, compiled, along one axis after
the other.

The transforms add and take away numbers of very different size, which costs digits. With 128 channels of 32 x 32 in
float32 the error's root mean square is 2.3e-6 of the exact values' (6e-7 by torch in channels_last), and the largest
error 1.2e-5 of the largest value (1.4e-6 by torch): measured by scripts/bench/rounding.py on an AVX2 CPU.

A number that is not finite would spread over its tile, and infinity become NaN. Every result is therefore looked at
while it still lies in the cache, for 1 to 3 per cent of the time; where not all of it is finite, None takes its place,
and the caller computes it plainly.

Everything here is for stride 1, padding 1, float32 on a CPU, and sides that are multiples of 4.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import numpy as np
import torch
from numba import njit, prange
from torch import Tensor

from rdpp.kernels.threads import as_many_as_torch

_TILES = 256
"""In work at a time: few enough to stay in the processor's cache, enough for matrix products at full speed."""
_PAIRS = 2**15
"""Of channels, whose filters are in work at a time where all tiles are."""

T = TypeVar("T")


def pays(x: Tensor, outputs: int) -> bool:
    """Whether maps (N, C, H, W) can be cut into tiles, and the products saved cost more than all transforms.

    The costs, in products, are those measured on two AVX2 cores: of a position's channel, of a filter, of a call.
    """
    if x.shape[2] % 4 or x.shape[3] % 4:
        return False
    positions, inputs = x[:, 0].numel(), x.shape[1]
    pairs = inputs * outputs
    # saved products grow with positions x pairs; transforms of maps with positions x channels, of filters with pairs
    return positions * pairs > 18 * positions * (inputs + outputs) + 400 * pairs + 4_000_000


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor | None:
    """(N, C, H, W) by weights (K, C, 3, 3), plus a bias (K,): (N, K, H, W), channels_last; None if not all finite."""
    weights = _last(weight)
    # contiguous: for other arrays numba would compile the loop once more
    offsets = np.zeros(len(weights), np.float32) if bias is None else np.ascontiguousarray(bias.detach().numpy())
    return _filtered(x, lambda part: _spectra(weights[part]).transpose(1, 2), offsets)


def input_gradient(gradient: Tensor, weight: Tensor) -> Tensor | None:
    """Of `convolve`, from the gradient at its output: the same with the weights reversed; None if not all finite."""
    weights = _last(weight)[:, ::-1, ::-1]
    nothing = np.zeros(weight.shape[1], np.float32)
    return _filtered(gradient, lambda part: _spectra(weights[..., part]), nothing)


def weight_gradient(gradient: Tensor, x: Tensor) -> Tensor | None:
    """Of `convolve`, (K, C, 3, 3), channels_last; None if not all finite.

    Its products with their parts exchanged: each tile's gradient, by the transposed transform, times the transformed
    input, summed over all tiles.
    """
    outputs, inputs, chunk = gradient.shape[1], x.shape[1], _chunk(x)
    tiled = zip(_tiles(_gradient_tiles, gradient, chunk), _tiles(_input_tiles, x, chunk), strict=True)
    chunks, parts = _in_parts(tiled, len(x) // chunk, outputs, inputs)
    weights, largest = x.new_empty(outputs, 3, 3, inputs), np.empty(outputs, np.int32)
    for part in parts:
        summed = x.new_empty(36, len(weights[part]), inputs)  # fits the cache, and collects all chunks' tiles
        for number, (gradients, tiles) in enumerate(chunks):
            # beta 0 ignores what the new memory holds, also NaN; from the second chunk on products are added
            summed.baddbmm_(gradients[..., part].transpose(1, 2), tiles, beta=min(number, 1))
        found = weights[part].numpy()
        _weights(summed.numpy(), found, found.view(np.int32), largest[part])
    return weights.permute(0, 3, 1, 2) if _all_finite(largest) else None


def _filtered(maps: Tensor, filters_of: Callable[[slice], Tensor], offsets: np.ndarray) -> Tensor | None:
    """(N, C, H, W) maps by transformed filters (36, C, K), of which `filters_of` gives a part, plus offsets (K,):
    (N, K, H, W); None if not all of it is finite."""
    (count, inputs, height, width), outputs = maps.shape, len(offsets)
    chunk = _chunk(maps)
    chunks, parts = _in_parts(_tiles(_input_tiles, maps, chunk), count // chunk, outputs, inputs)
    y, largest = maps.new_empty(count, height, width, outputs), np.empty(chunk * height * width // 16, np.int32)
    finite = True
    for part in parts:
        filters = filters_of(part)
        products = maps.new_empty(36, len(largest), filters.shape[2])
        for target, tiles in zip(y.split(chunk), chunks, strict=True):
            torch.bmm(tiles, filters, out=products)
            found = target[..., part].numpy()
            _output_tiles(products.numpy(), offsets[part], found, found.view(np.int32), largest)
            finite = finite and _all_finite(largest)
    return y.permute(0, 3, 1, 2) if finite else None


def _in_parts(chunks: Iterable[T], count: int, outputs: int, inputs: int) -> tuple[Iterable[T], list[slice]]:
    """What to go over, first parts of the outputs' channels, then chunks of images: in one of them all is together."""
    if count > 1:  # many tiles: filters are few beside them, and all are transformed at once
        return chunks, [slice(0, outputs)]
    # few tiles and perhaps many filters: all tiles stay in the cache while parts of the filters pass by
    step = max(1, _PAIRS // inputs)
    return list(chunks), [slice(start, start + step) for start in range(0, outputs, step)]


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


def _all_finite(largest: np.ndarray) -> bool:
    return bool(largest.max() < _INFINITY)


def _last(weight: Tensor) -> np.ndarray:
    """(K, C, 3, 3) weights as (K, 3, 3, C)."""
    return weight.detach().permute(0, 2, 3, 1).contiguous().numpy()


def _spectra(weights: np.ndarray) -> Tensor:
    """(K, 3, 3, C) weights, transformed: (36, K, C)."""
    found = torch.empty(36, len(weights), weights.shape[3])
    as_many_as_torch()
    _filters(weights, found.numpy())
    return found


_TWO, _FOUR, _FIVE, _EIGHT = np.float32(2), np.float32(4), np.float32(5), np.float32(8)
_4TH, _6TH, _12TH, _24TH = np.float32(1 / 4), np.float32(1 / 6), np.float32(1 / 12), np.float32(1 / 24)
_MAGNITUDE, _INFINITY = np.int32(0x7FFFFFFF), np.int32(0x7F800000)
"""All bits of a float32 but for its sign; those of infinity."""
_inner = njit(cache=True, fastmath={"contract"})
_loop = njit(cache=True, nogil=True, parallel=True, fastmath={"contract"})


@_loop
def _input_tiles(maps, found):
    """Maps (N, H, W, C) into (36, tiles, C): tiles of 6 x 6 pixels that lie 4 apart, reaching over their neighbours,
    and over the border, where there are zeros."""
    _, height, width, channels = maps.shape
    nothing = np.zeros(channels, np.float32)
    for tile in prange(found.shape[1]):
        # the transform along the columns goes here, then the one along the rows into `found`
        half = np.empty((6, 6, channels), np.float32)
        image, row, column = _position(tile, height, width)
        for j in range(6):  # padding 1: a tile begins one pixel before its 4 x 4 outputs
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
        image, row, column = _position(tile, height, width)
        for j in range(4):
            _from_gradients(maps[image, row : row + 4, column + j], half[:, j])
        for i in range(6):
            _from_gradients(half[i], found[6 * i : 6 * i + 6, tile])


@_loop
def _output_tiles(products, offsets, maps, bits, largest):
    """Products (36, tiles, C), plus offsets (C,), into maps (N, H, W, C); `bits`, `largest`: see `_largest`."""
    _, height, width, channels = maps.shape
    nothing = np.zeros(channels, np.float32)
    for tile in prange(products.shape[1]):
        half = np.empty((4, 6, channels), np.float32)
        image, row, column = _position(tile, height, width)
        for j in range(6):  # entry 6 * i + j of the 36 stands in row i and column j
            _from_products(products[j::6, tile], nothing, half[:, j])
        found = np.int32(0)
        for i in range(4):
            _from_products(half[i], offsets, maps[image, row + i, column : column + 4])
            found = max(found, _largest(bits[image, row + i, column : column + 4]))
        largest[tile] = found


@_loop
def _filters(weights, found):
    """Weights (K, 3, 3, C) into (36, K, C)."""
    for k in prange(len(weights)):
        half = np.empty((6, 3, weights.shape[3]), np.float32)
        for j in range(3):
            _from_weights(weights[k, :, j], half[:, j])
        for i in range(6):
            _from_weights(half[i], found[6 * i : 6 * i + 6, k])


@_loop
def _weights(summed, weights, bits, largest):
    """Sums of products (36, K, C) into gradients of weights (K, 3, 3, C); `bits`, `largest`: see `_largest`."""
    for k in prange(len(weights)):
        half = np.empty((3, 6, weights.shape[3]), np.float32)
        for j in range(6):
            _to_weights(summed[j::6, k], half[:, j])
        found = np.int32(0)
        for i in range(3):
            _to_weights(half[i], weights[k, i])
            found = max(found, _largest(bits[k, i]))
        largest[k] = found


@_inner
def _position(tile, height, width):
    """A tile's image, and its first row and column."""
    down, across = height // 4, width // 4
    image, rest = tile // (down * across), tile % (down * across)
    return image, rest // across * 4, rest % across * 4


@_inner
def _largest(bits):
    """The largest magnitude of float32 numbers, as the integer of the same bits, which is in the same order.

    Infinity and NaN are the integers from `_INFINITY` on. Integers, since a maximum of floats is not vectorised.
    """
    found = np.int32(0)
    for x in range(len(bits)):
        for k in range(bits.shape[1]):
            found = max(found, bits[x, k] & _MAGNITUDE)
    return found


@_inner
def _from_inputs(a, b, c, d, e, f, out):
    """The transposed B of Lavin and Gray, times six vectors of channels."""
    # rows 1 and 2 of it share their terms but for a sign, and so do rows 3 and 4
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
def _from_products(x, offsets, out):
    """The transposed A, times six vectors of channels (6, C), plus offsets (C,)."""
    for k in range(x.shape[1]):
        near, far = x[1, k] + x[2, k], x[3, k] + x[4, k]
        near_odd, far_odd = x[1, k] - x[2, k], x[3, k] - x[4, k]
        out[0, k] = x[0, k] + near + far + offsets[k]
        out[1, k] = near_odd + _TWO * far_odd + offsets[k]
        out[2, k] = near + _FOUR * far + offsets[k]
        out[3, k] = near_odd + _EIGHT * far_odd + x[5, k] + offsets[k]


@_inner
def _from_weights(x, out):
    """G, times three vectors of channels (3, C)."""
    for k in range(x.shape[1]):
        outer, far_outer = x[0, k] + x[2, k], _24TH * x[0, k] + _6TH * x[2, k]
        out[0, k] = _4TH * x[0, k]
        out[1, k] = -_6TH * (outer + x[1, k])
        out[2, k] = -_6TH * (outer - x[1, k])
        out[3, k] = far_outer + _12TH * x[1, k]
        out[4, k] = far_outer - _12TH * x[1, k]
        out[5, k] = x[2, k]


@_inner
def _to_weights(x, out):
    """The transposed G, times six vectors of channels (6, C)."""
    for k in range(x.shape[1]):
        near, far = x[1, k] + x[2, k], x[3, k] + x[4, k]
        out[0, k] = _4TH * x[0, k] - _6TH * near + _24TH * far
        out[1, k] = _6TH * (x[2, k] - x[1, k]) + _12TH * (x[3, k] - x[4, k])
        out[2, k] = _6TH * (far - near) + x[5, k]
