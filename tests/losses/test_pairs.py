"""Divergences between pairs of images against closed forms and an exact solver. All in float64."""

import math

import numpy as np
import pytest
import torch
from features import features, generator, with_gradients
from scipy.optimize import linear_sum_assignment
from scipy.stats import energy_distance, norm

from rdpp.config import ConfigError
from rdpp.losses.energy import Energy
from rdpp.losses.mmd import Mmd
from rdpp.losses.pairs import largest_distance
from rdpp.losses.sliced_wasserstein import SlicedWasserstein
from rdpp.losses.ssot import ImagesSsot

FINE = ImagesSsot(relative_blur=0.002, scaling=0.95)
MANY = SlicedWasserstein(projections=20000)
ALL = [FINE, SlicedWasserstein(), Energy(), Mmd()]

every = pytest.mark.parametrize("loss", ALL, ids=lambda loss: type(loss).__name__)


def clouds(count=2, points=12, size=3, seed=0):
    source = torch.Generator().manual_seed(seed)
    return (torch.randn(count, points, size, dtype=torch.float64, generator=source) for _ in range(2))


def normal(mean, deviation, points=4000):
    """(1, N, 1) quantiles of a Gaussian: as near to it as N points can be."""
    quantiles = norm.ppf((np.arange(points) + 0.5) / points, mean, deviation)
    return torch.from_numpy(quantiles)[None, :, None]


@every
def test_a_permutation_costs_nothing_and_has_no_gradient(loss):
    x, _ = clouds()
    x.requires_grad_()
    order = torch.randperm(x.shape[1], generator=generator())
    value = loss.divergence(x, x.detach()[:, order], generator())
    value.sum().backward()
    assert value.abs().max() < 1e-9
    if not isinstance(loss, Energy):  # its kernel has a kink where points meet
        assert x.grad.abs().max() < 1e-5


def test_sorting_finds_a_permutation_exactly():
    x, _ = clouds()
    assert SlicedWasserstein().divergence(x, x.flip(1), generator()).tolist() == [0.0, 0.0]


@every
def test_it_grows_with_the_distance_of_a_translation(loss):
    x, _ = clouds()
    values = [float(loss.divergence(x, x + shift, generator()).mean()) for shift in (0.1, 0.5, 2.0)]
    assert 0 < values[0] < values[1] < values[2]


@every
def test_each_pair_has_a_value_of_its_own(loss):
    x, y = clouds(count=3)
    apart = loss.divergence(x, y, generator())
    y[2] = x[2]
    found = loss.divergence(x, y, generator())
    assert found.shape == (3,)
    assert found[2].abs() < 1e-9 < found[:2].min()
    if not isinstance(loss, ImagesSsot | Mmd):  # whose blur follows the largest distance of all pairs
        torch.testing.assert_close(found[:2], apart[:2])


def test_a_translation_costs_half_its_square():
    x, _ = clouds()
    shift = torch.tensor([0.3, -1.0, 0.5], dtype=torch.float64)
    expected = float(shift.square().sum()) / 2
    found = ImagesSsot(relative_blur=0.2, scaling=0.95).divergence(x, x + shift, generator())
    assert found.tolist() == pytest.approx([expected] * 2, rel=1e-3)  # at any blur, being debiased
    sliced = MANY.divergence(x, x + shift, generator())
    assert sliced.tolist() == pytest.approx([expected / 3] * 2, rel=0.03)


def test_transport_between_gaussians():
    """(m1 - m2)^2 / 2 + (s1 - s2)^2 / 2 in one dimension."""
    x, y = normal(0.0, 1.0, 400), normal(2.0, 0.5, 400)
    assert float(SlicedWasserstein().divergence(x, y, generator())) == pytest.approx(2.0 + 0.125, rel=1e-2)
    assert float(FINE.divergence(x, y, generator())) == pytest.approx(2.0 + 0.125, rel=1e-2)


def test_energy_between_gaussians():
    """E|X - Y| of a Gaussian difference is the folded normal's mean."""

    def folded(mean, deviation):
        ratio = mean / deviation
        spread = deviation * math.sqrt(2 / math.pi) * math.exp(-(ratio**2) / 2)
        return spread + mean * (1 - 2 * norm.cdf(-ratio))

    expected = folded(2.0, math.sqrt(1.25)) - folded(0.0, math.sqrt(2)) / 2 - folded(0.0, math.sqrt(0.5)) / 2
    found = float(Energy().divergence(normal(0.0, 1.0), normal(2.0, 0.5), generator()))
    assert found == pytest.approx(expected, rel=1e-3)


def test_energy_is_half_of_scipys_squared():
    x, y = clouds(count=1, size=1)
    expected = energy_distance(x.flatten().numpy(), y.flatten().numpy()) ** 2 / 2
    assert float(Energy().divergence(x, y, generator())) == pytest.approx(
        expected, rel=1e-3
    )  # its distances are at least 1e-4


def test_discrepancy_between_gaussians():
    """E k(X, Y) of Gaussians: blur / sqrt(blur^2 + s^2) exp(-m^2 / (2 (blur^2 + s^2))), s and m of X - Y."""
    x, y = normal(0.0, 1.0, 2000), normal(2.0, 0.5, 2000)
    blur = 0.5 * largest_distance(x, y)

    def kernel(mean, variance):
        total = blur**2 + variance
        return blur / math.sqrt(total) * math.exp(-(mean**2) / (2 * total))

    expected = kernel(0, 2.0) / 2 + kernel(0, 0.5) / 2 - kernel(2.0, 1.25)
    assert float(Mmd().divergence(x, y, generator())) == pytest.approx(expected, rel=1e-3)


def test_the_exact_solver_on_small_clouds():
    x, y = clouds(count=4, points=9)
    costs = torch.cdist(x, y).square().numpy() / 2
    exact = [cost[linear_sum_assignment(cost)].mean() for cost in costs]
    assert FINE.divergence(x, y, generator()).tolist() == pytest.approx(exact, rel=5e-3)
    sliced = MANY.divergence(x, y, generator())
    assert all(s < e for s, e in zip(sliced.tolist(), exact, strict=True))  # shadows lie nearer


def test_the_exact_solver_along_one_direction():
    x, y = clouds(count=1, points=9, size=1)
    cost = torch.cdist(x, y)[0].square().numpy() / 2
    found = SlicedWasserstein(projections=3).divergence(x, y, generator())
    assert float(found) == pytest.approx(cost[linear_sum_assignment(cost)].mean())


def test_directions_are_drawn_evenly_from_the_generator():
    """Two points t apart cost |t|^2 / (2 D) in the mean over directions, whichever way t points."""
    x = torch.zeros(1, 1, 3, dtype=torch.float64)
    for axis in torch.eye(3, dtype=torch.float64):
        assert float(MANY.divergence(x, x + 2 * axis, generator())) == pytest.approx(4 / 6, rel=0.03)
    few = SlicedWasserstein(projections=2)
    y = x + 1
    assert few.divergence(x, y, generator(1)) != few.divergence(x, y, generator(2))


@every
def test_gradients_are_finite_differences(loss):
    x, y = clouds(count=1, points=4)
    x.requires_grad_()
    loss = ImagesSsot(relative_blur=0.3, scaling=0.98) if isinstance(loss, ImagesSsot) else loss

    def divergence(x):
        return loss.divergence(x, y, generator())

    if isinstance(loss, ImagesSsot | Mmd):  # the blur is held still while differentiating
        far = 10 + torch.zeros(1, 1, 3, dtype=torch.float64)
        y = torch.cat([y, far], 1)
        x = torch.cat([x.detach(), -far], 1).requires_grad_()
        value = divergence(x)
        (gradient,) = torch.autograd.grad(value.sum(), x)
        step = torch.zeros_like(x)
        step[0, 1, 2] = 1e-5
        slope = float(divergence(x.detach() + step) - divergence(x.detach() - step)) / 2e-5
        assert slope == pytest.approx(float(gradient[0, 1, 2]), rel=0.05)
    else:
        assert torch.autograd.gradcheck(divergence, x)


@every
def test_it_moves_the_projection_in_float32_too(loss):
    values = with_gradients(features(count=4, dtype=torch.float32))
    loss(values, generator()).backward()
    assert all(stage.grad.abs().max() > 1e-6 for stage in values.projected)


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (SlicedWasserstein, {"projections": 0}, "projections must be at least 1, got 0"),
        (Mmd, {"relative_blur": 0.0}, "blur must be above 0, got 0.0"),
        (Energy, {"positions": 0}, "positions must be at least 1, got 0"),
    ],
)
def test_ranges(kind, values, message):
    with pytest.raises(ConfigError, match=message):
        kind(**values)
