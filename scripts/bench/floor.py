"""The least that a training step can take on this machine: its necessary convolutions, each in its best layout."""

import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

_FORWARD, _BACKWARD = torch.ops.aten.convolution.default, torch.ops.aten.convolution_backward.default
_LAYOUTS = (torch.contiguous_format, torch.channels_last)


@dataclass(frozen=True)
class Convolution:
    """One direction of one convolution, by its shapes."""

    direction: str
    """`forward`, `input` or `weight`: which of the two gradients a backward gives."""
    x: tuple[int, ...]
    weight: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    transposed: bool
    dtype: torch.dtype
    device: torch.device

    @property
    def flop(self) -> float:
        """Multiplications and additions, the same in every direction."""
        batch, _, height, width = self.x
        positions = height * width if self.transposed else self._side(height, 0) * self._side(width, 1)
        return 2.0 * batch * positions * torch.Size(self.weight).numel()

    def _side(self, size: int, axis: int) -> int:
        return (size + 2 * self.padding[axis] - self.weight[2 + axis]) // self.stride[axis] + 1

    def seconds(self, repeats: int = 5) -> float:
        """The fastest of all repeats and layouts, called directly."""
        return min(min(_timed(call, self.device, repeats)) for call in self._calls())

    def _calls(self) -> Iterator[Callable[[], Any]]:
        rest = (self.stride, self.padding, (1, 1), self.transposed, (0, 0), 1)
        for layout in _LAYOUTS:
            x = torch.rand(self.x, dtype=self.dtype, device=self.device).contiguous(memory_format=layout)
            weight = torch.rand(self.weight, dtype=self.dtype, device=self.device).contiguous(memory_format=layout)
            if self.direction == "forward":
                yield partial(_FORWARD, x, weight, None, *rest)
            else:
                gradient = torch.rand_like(_FORWARD(x, weight, None, *rest))
                mask = [self.direction == "input", self.direction == "weight", False]
                yield partial(_BACKWARD, gradient, x, weight, None, *rest, mask)


def _timed(call: Callable[[], Any], device: torch.device, repeats: int) -> Iterator[float]:
    for repeat in range(repeats + 1):
        started = time.perf_counter()
        call()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        if repeat:  # the first one prepares
            yield time.perf_counter() - started


class Counted(TorchDispatchMode):
    """While it is entered, counts operator calls (views, which compute nothing, are left out) and convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0
        self.convolutions: Counter[Convolution] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.calls += func is not torch.ops.aten.view.default
        if func is _FORWARD:
            x, weight, _, stride, padding, _, transposed = args[:7]
            self._add(["forward"], x, weight, stride, padding, transposed)
        if func is _BACKWARD:
            _, x, weight, _, stride, padding, _, transposed, _, _, mask = args
            wanted = [name for name, on in zip(("input", "weight"), mask, strict=False) if on]
            self._add(wanted, x, weight, stride, padding, transposed)
        return func(*args, **(kwargs or {}))

    def _add(
        self, directions: list[str], x: Tensor, weight: Tensor, stride: Any, padding: Any, transposed: bool
    ) -> None:
        shapes = (tuple(x.shape), tuple(weight.shape), tuple(stride), tuple(padding))
        for direction in directions:
            self.convolutions[Convolution(direction, *shapes, transposed, x.dtype, x.device)] += 1


@dataclass(frozen=True)
class Floor:
    """What the convolutions of one step come to."""

    flop: float
    seconds: float
    by_direction: dict[str, tuple[float, float]]
    """FLOP and seconds of each direction."""

    @classmethod
    def measure(cls, convolutions: Counter[Convolution]) -> "Floor":
        """Time every shape once for all its uses."""
        parts: dict[str, tuple[float, float]] = {}
        ordered = sorted(convolutions.items(), key=lambda item: item[0].direction)
        for direction, group in itertools.groupby(ordered, key=lambda item: item[0].direction):
            measured = [(count * c.flop, count * c.seconds()) for c, count in group]
            parts[direction] = (sum(f for f, _ in measured), sum(s for _, s in measured))
        return cls(sum(f for f, _ in parts.values()), sum(s for _, s in parts.values()), parts)
