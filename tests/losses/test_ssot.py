"""Optimal transport: official values, closed forms, its solver against geomloss, and what is dead in it."""

from itertools import chain

import numpy as np
import pytest
import torch
from features import features, generator, with_gradients
from geomloss import SamplesLoss
from scipy.optimize import linear_sum_assignment
from torch.nn.functional import normalize

from rdpp.config import ConfigError
from rdpp.losses.pairs import derangement
from rdpp.losses.ssot import BatchSsot, ImagesSsot, sinkhorn_between_batches, start_of_annealing
from rdpp.types import Features

BLUR, SCALING = 0.05, 0.95  # released code


@pytest.fixture(scope="module")
def clouds(golden):
    """The golden file, and a function that reads one part of it, each stage's images as points."""
    values = golden("official_losses.npz")
    return values, lambda name: [torch.from_numpy(values[f"{name}_{k}"]).double().flatten(1) for k in range(3)]


def between(first, second, *settings):
    """Two lists of clouds, a stage each, as points and who is who."""
    points = [torch.cat(pair) for pair in zip(first, second, strict=True)]
    indices = torch.arange(len(points[0]))
    return sinkhorn_between_batches(points, indices[: len(first[0])], indices[len(first[0]) :], *settings)


def only(projected):
    return Features(projected, tuple(projected), projected)


def test_official_values_between_softmaxed_features(clouds):
    expected, read = clouds
    first, second = ([cloud.softmax(1) for cloud in read(name)] for name in ("projected", "other"))
    found = between(first, second, BLUR, SCALING)
    np.testing.assert_allclose(found, expected["sinkhorn_softmax_projected_vs_other"], rtol=0, atol=1e-9)


def test_official_values_between_plain_features(clouds):
    expected, read = clouds
    first, second = ([0.1 * cloud for cloud in read(name)] for name in ("projected", "other"))
    found = between(first, second, BLUR, SCALING)
    np.testing.assert_allclose(found, expected["sinkhorn_plain_projected_vs_other"], rtol=1e-7)


def test_stages_in_one_batch_are_geomloss_stage_by_stage():
    torch.manual_seed(0)
    plain = SamplesLoss("sinkhorn", p=2, blur=0.3, scaling=0.8, diameter=1e7)
    draw = [[torch.randn(5, size, dtype=torch.float64) for size in (40, 12, 7)] for _ in range(2)]
    ours, theirs = ([[x.clone().requires_grad_() for x in cloud] for cloud in draw] for _ in range(2))
    weights = torch.tensor([1.0, 2.0, -0.5], dtype=torch.float64)
    found = between(*ours, 0.3, 0.8)
    expected = torch.stack([plain(x, y) for x, y in zip(*theirs, strict=True)])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-9)
    (found @ weights).backward()
    (expected @ weights).backward()
    for one, other in zip(chain(*ours), chain(*theirs), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=0, atol=1e-9)
        assert one.grad.abs().max() > 1e-2


def test_between_single_points_it_is_half_the_squared_distance():
    x, y = torch.tensor([[1.0, 2.0, 3.0]]).double(), torch.tensor([[0.0, 4.0, 5.0]]).double()
    assert float(between([x], [y], BLUR, SCALING)) == pytest.approx((1 + 4 + 4) / 2)


def test_with_little_blur_it_is_the_cheapest_assignment():
    source = generator()
    x, y = (10 * torch.rand(6, 3, dtype=torch.float64, generator=source) for _ in range(2))
    costs = torch.cdist(x, y).square().numpy() / 2
    expected = costs[linear_sum_assignment(costs)].mean()
    assert float(between([x], [y], 0.01, 0.99)) == pytest.approx(expected, rel=1e-2)


def test_gradients_are_finite_differences():
    source = generator()
    x, y = (torch.rand(4, 3, dtype=torch.float64, generator=source) for _ in range(2))
    x.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: between([x], [y], 0.5, 0.9), x, eps=1e-5, rtol=0.02, atol=1e-3)


def test_the_released_term_is_dead():
    values = with_gradients(features(count=5))
    value = BatchSsot()(values, generator())
    value.backward()
    assert abs(float(value.detach())) < 1e-12
    assert all(stage.grad.abs().max() < 1e-12 for stage in values.projected)


def test_the_living_form_moves_the_projection():
    values = with_gradients(features(count=5))
    value = ImagesSsot()(values, generator())
    value.backward()
    assert float(value.detach()) > 0.1
    assert all(stage.grad.abs().max() > 1e-3 for stage in values.projected)


def test_images_of_one_position_cost_half_the_squared_distance_of_their_directions():
    x, y = torch.tensor([3.0, 4.0, 0.0]).double(), torch.tensor([0.0, 0.0, 2.0]).double()
    stage = torch.stack([x, y])[:, :, None, None]
    expected = float((normalize(x, dim=0) - normalize(y, dim=0)).square().sum()) / 2
    assert float(ImagesSsot()(only([stage, stage]), generator())) == pytest.approx(2 * expected)


def test_each_image_is_paired_with_another_in_every_stage(monkeypatch):
    monkeypatch.setattr("rdpp.losses.pairs.derangement", lambda size, generator: torch.tensor([1, 2, 0]))
    stages = features(count=3).projected
    found = ImagesSsot(scaling=0.9)(only(stages), generator())
    expected = 0.0
    for stage in stages:
        points = normalize(stage.flatten(2), dim=1).transpose(1, 2)
        diameter = max(float(torch.cdist(points[i], points[(i + 1) % 3]).max()) for i in range(3))
        plain = SamplesLoss("sinkhorn", p=2, blur=0.05 * diameter, scaling=0.9, diameter=diameter)
        expected += sum(float(plain(points[i], points[(i + 1) % 3])) for i in range(3)) / 3
    assert float(found) == pytest.approx(expected, rel=1e-6)


def test_identical_images_cost_nothing():
    stages = [stage[:1].expand(4, -1, -1, -1) for stage in features().projected]
    assert float(ImagesSsot()(only(stages), generator())) == pytest.approx(0, abs=1e-6)


def test_images_with_the_same_points_elsewhere_cost_nothing():
    stages = [torch.cat([stage[:1], stage[:1].flip(2)]) for stage in features().projected]
    assert float(ImagesSsot()(only(stages), generator())) == pytest.approx(0, abs=1e-6)


def test_one_image_has_no_partner_and_costs_nothing():
    assert float(ImagesSsot()(features(count=1), generator())) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("size", range(2, 8))
def test_partners_form_one_random_cycle(size):
    source = generator()
    seen = set()
    for _ in range(20):
        partner = derangement(size, source).tolist()
        visited = [0]
        while len(visited) < size:
            visited.append(partner[visited[-1]])
        assert sorted(visited) == list(range(size))
        assert partner[visited[-1]] == 0
        seen.add(tuple(partner))
    assert len(seen) > 1 or size == 2


def test_positions_limit_the_points_of_each_image():
    values = features(count=4)
    few, more, all_of_them = (ImagesSsot(positions=n) for n in (2, 20, 10**6))
    assert torch.equal(more(values, generator()), all_of_them(values, generator()))
    assert not torch.isclose(few(values, generator()), more(values, generator()))
    assert not torch.isclose(few(values, generator(1)), few(values, generator(2)))


def test_positions_are_drawn_without_repetition_and_evenly(monkeypatch):
    """With every position its own direction, the points that reach the solver tell where they come from."""
    drawn = []

    class Solver:
        def __init__(self, *arguments, **settings): ...

        def __call__(self, clouds, partners):
            drawn.append(clouds.argmax(2))
            return clouds.sum((1, 2)) * 0

    monkeypatch.setattr("rdpp.losses.ssot.SamplesLoss", Solver)
    stage = torch.eye(6).view(1, 6, 2, 3).expand(3, -1, -1, -1)
    source = generator()
    for _ in range(100):
        ImagesSsot(positions=4)(only([stage]), source)
    places = torch.stack(drawn)
    assert places.shape == (100, 3, 4)
    assert all(len(set(row.tolist())) == 4 for row in places.flatten(0, 1))
    counts = np.bincount(places.flatten().numpy(), minlength=6)
    np.testing.assert_allclose(counts / counts.sum(), 1 / 6, atol=0.03)
    assert (places[:, 0] != places[:, 1]).any()


def test_the_living_gradient_is_near_finite_differences():
    loss = ImagesSsot(relative_blur=0.3, scaling=0.95)
    values = with_gradients(features(count=2))
    value = loss(values, generator())
    value.backward()
    torch.manual_seed(3)
    for k in range(3):
        direction = torch.randn_like(values.projected[k])
        direction = direction / direction.norm()

        def shifted(step, k=k, direction=direction):
            stages = [s.detach() + (step * direction if i == k else 0) for i, s in enumerate(values.projected)]
            return float(loss(only(stages), generator()))

        slope = float((values.projected[k].grad * direction).sum())
        assert (shifted(1e-4) - shifted(-1e-4)) / 2e-4 == pytest.approx(slope, rel=0.05, abs=2e-3)


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (BatchSsot, {"blur": 0.0}, "blur must be above 0, got 0.0"),
        (BatchSsot, {"scaling": 1.0}, "scaling must lie between 0 and 1, got 1.0"),
        (BatchSsot, {"scaling": 0.0}, "scaling must lie between 0 and 1, got 0.0"),
        (ImagesSsot, {"relative_blur": -1.0}, "blur must be above 0, got -1.0"),
        (ImagesSsot, {"scaling": 1.5}, "scaling must lie between 0 and 1, got 1.5"),
        (ImagesSsot, {"positions": 0}, "positions must be at least 1, got 0"),
    ],
)
def test_ranges(kind, values, message):
    with pytest.raises(ConfigError, match=message):
        kind(**values)


def test_softmax_makes_the_released_clouds(monkeypatch):
    given = []

    def solver(points, first, second, blur, scaling, diameter):
        given.append((points, first, second, blur, scaling, diameter))
        return torch.zeros(len(points))

    monkeypatch.setattr("rdpp.losses.ssot.sinkhorn_between_batches", solver)
    values = features(count=6)
    BatchSsot(blur=0.1, scaling=0.9)(values, generator())
    ((points, first, second, *settings),) = given
    assert settings == [0.1, 0.9, start_of_annealing(0.9)]
    assert first.tolist() == [0, 1, 2, 3, 4, 5]
    assert torch.equal(second, torch.randperm(6, generator=generator()))
    for cloud, stage in zip(points, values.projected, strict=True):
        torch.testing.assert_close(cloud, stage.permute(0, 2, 3, 1).flatten(1).softmax(1))


@pytest.mark.parametrize("scaling", [0.95, 0.8, 0.5])
@pytest.mark.parametrize("spread", [1, 100])
def test_a_later_start_of_the_annealing_ends_the_same(scaling, spread):
    source = generator()
    first, second = (
        (spread * torch.randn(16, 50, dtype=torch.float64, generator=source)).softmax(1).requires_grad_()
        for _ in range(2)
    )
    whole = between([first], [second], 0.05, scaling)
    later = between([first], [second], 0.05, scaling, start_of_annealing(scaling))
    torch.testing.assert_close(later, whole, rtol=0, atol=1e-13)
    (expected,) = torch.autograd.grad(whole.sum(), first)
    (found,) = torch.autograd.grad(later.sum(), first)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def test_the_later_start_saves_two_thirds_of_the_released_annealing():
    assert 11 < start_of_annealing(0.95) < 12
    assert start_of_annealing(0.5) == 1e7
