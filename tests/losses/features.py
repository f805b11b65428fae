"""Features of three small stages, for the losses' tests."""

import dataclasses

import torch

from rdpp.types import Features

SHAPES = [(4, 5, 4), (6, 3, 2), (8, 2, 1)]  # C, H, W of each stage
PARTS = [field.name for field in dataclasses.fields(Features)]


def features(seed=0, count=3, dtype=torch.float64):
    """Random ones, all parts different; the noisy teacher is close enough to the projection for every contrast."""
    generator = torch.Generator().manual_seed(seed)

    def stages():
        return tuple(torch.randn(count, *shape, dtype=dtype, generator=generator) for shape in SHAPES)

    projected, noise = stages(), stages()
    near = tuple(p + 0.5 * n for p, n in zip(projected, noise, strict=True))
    return Features(stages(), projected, stages(), near, stages(), stages())


def generator(seed=5):
    return torch.Generator().manual_seed(seed)


def with_gradients(values):
    """The same features as leaves of a graph."""
    return changed(values, lambda stage: stage.detach().clone().requires_grad_(), *present(values))


def changed(values, change, *names):
    """The same features with a function applied to each stage of some parts."""
    parts = {name: tuple(change(stage) for stage in getattr(values, name)) for name in names}
    return dataclasses.replace(values, **parts)


def one_stage(values, k):
    return Features(**{name: (getattr(values, name)[k],) for name in present(values)})


def present(values):
    """The names of the parts that are not None."""
    return [name for name in PARTS if getattr(values, name) is not None]
