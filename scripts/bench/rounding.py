"""Rounding errors of 3x3 convolutions in float32: Winograd's algorithm here, and torch's own.

    python scripts/bench/rounding.py [CHANNELS ...]       (10 seconds on 2 cores)

Four images of 32 x 32, normal numbers for inputs and weights, channels_last as in training, against torch in float64.
`largest` is the largest error over the largest exact value, `rms` the root mean square of the errors over that of the
exact values.
"""

import sys
from collections.abc import Callable

import torch
from torch import Tensor

from rdpp.kernels import winograd


def main() -> int:
    """Print a row for each number of channels and direction."""
    print(f"{'channels':>8}  {'direction':<16}{'largest':>9}{'torch':>9}{'rms':>9}{'torch':>9}")
    for channels in map(int, sys.argv[1:] or ("64", "128", "256", "512")):
        for direction, (ours, theirs, exact) in directions(channels).items():
            numbers = [error(found, exact) for found in (ours, theirs)]
            row = [one[which] for which in (0, 1) for one in numbers]
            print(f"{channels:>8}  {direction:<16}" + "".join(f"{number:9.1e}" for number in row))
    return 0


def directions(channels: int, seed: int = 0) -> dict[str, tuple[Tensor, Tensor, Tensor]]:
    """For each direction what Winograd's algorithm gives, what torch does, and what torch does in float64."""
    generator = torch.Generator().manual_seed(seed)
    shapes = [(4, channels, 32, 32)] * 2 + [(channels, channels, 3, 3)]
    drawn = [torch.randn(shape, generator=generator) for shape in shapes]
    x, gradient, weight = (tensor.contiguous(memory_format=torch.channels_last) for tensor in drawn)
    rest = None, (1, 1), (1, 1), (1, 1), False, (0, 0), 1

    def backward(g: Tensor, x: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        return torch.ops.aten.convolution_backward(g, x, w, *rest, [True, True, False])[:2]

    def forward(_: Tensor, x: Tensor, w: Tensor) -> Tensor:
        return torch.conv2d(x, w, padding=1)

    own: dict[str, Callable[[], Tensor | None]] = {
        "forward": lambda: winograd.convolve(x, weight),
        "input gradient": lambda: winograd.input_gradient(gradient, weight),
        "weight gradient": lambda: winograd.weight_gradient(gradient, x),
    }
    single = gradient, x, weight
    double = tuple(tensor.double() for tensor in single)
    torchs = [(forward(*some), *backward(*some)) for some in (single, double)]
    found = {}
    for (name, compute), theirs, exact in zip(own.items(), *torchs, strict=True):
        ours = compute()
        assert ours is not None
        found[name] = ours, theirs, exact
    return found


def error(found: Tensor, exact: Tensor) -> tuple[float, float]:
    """Largest error over largest value; root mean square of the errors over that of the values."""
    errors = found.double() - exact
    return float(errors.abs().max() / exact.abs().max()), float(errors.norm() / exact.norm())


if __name__ == "__main__":
    sys.exit(main())
