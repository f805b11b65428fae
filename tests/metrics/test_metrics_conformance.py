"""What every metric keeps. A new one is added to CASES."""

from dataclasses import dataclass

import numpy as np
import pytest

from rdpp.metrics import METRICS, evaluate, of_defect_type

SIDE = 150  # with six good images more than 100,000 normal pixels, which AUPIMO needs
LABELS = np.array([False] * 6 + [True] * 4)
TYPES = ["good"] * 6 + ["dent", "dent", "hole", "hole"]


@dataclass(frozen=True)
class Case:
    """One metric and what holds for it."""

    name: str
    of_pixels: bool
    """Whether it looks at the maps; otherwise at the image scores."""
    by_rank: bool = True
    """Whether only the order of the scores counts."""
    needs_good_images: bool = False
    """Whether it is undefined without them."""

    def __str__(self):
        return self.name


CASES = [
    Case("image_auroc", of_pixels=False, needs_good_images=True),
    Case("pixel_auroc", of_pixels=True),
    Case("pixel_aupro", of_pixels=True),
    Case("image_ap", of_pixels=False, needs_good_images=True),
    Case("image_f1_max", of_pixels=False, needs_good_images=True),
    Case("pixel_ap", of_pixels=True),
    Case("pixel_aupro_per_image", of_pixels=True, by_rank=False),  # its thresholds are equal steps of the score
    Case("pixel_aupimo", of_pixels=True, needs_good_images=True),
]
every = pytest.mark.parametrize("case", CASES, ids=str)


@pytest.fixture(scope="module")
def masks():
    masks = np.zeros((len(LABELS), SIDE, SIDE), bool)
    masks[6, 10:30, 10:40] = masks[7, 60:64, 60:90] = masks[8, 100:110, 5:15] = masks[9, 40:60, 40:60] = True
    masks[9, 90:100, 90:95] = True
    return masks


@pytest.fixture(scope="module")
def maps(masks):
    """Defects stand out, but not everywhere, and so do some normal pixels."""
    rng = np.random.default_rng(3)
    return (rng.random(masks.shape) + masks * rng.random(masks.shape)).astype(np.float32)


@pytest.fixture(scope="module")
def scores():
    """One good image scores above two defective ones."""
    return np.array([0.1, 0.2, 0.3, 0.35, 0.4, 0.6, 0.5, 0.55, 0.7, 0.9])


def value(case, maps, masks, scores, rows=slice(None)):
    types = np.array(TYPES)[rows]
    found = evaluate(maps[rows], masks[rows], scores[rows], LABELS[rows], types, by_type=False, metrics=[case.name])
    assert list(found) == [case.name]
    return found[case.name]


def test_every_registered_metric_is_here():
    assert {case.name for case in CASES} == set(METRICS)


@every
def test_a_number_between_0_and_1(case, maps, masks, scores):
    found = value(case, maps, masks, scores)
    assert type(found) is float
    assert 0 < found < 1


@every
def test_1_for_a_perfect_map_and_perfect_scores(case, masks):
    assert value(case, masks.astype(np.float32), masks, LABELS.astype(float)) == pytest.approx(1)


@every
def test_better_maps_and_scores_are_higher(case, maps, masks, scores):
    better = maps + 0.1 * masks, masks, scores + 0.15 * LABELS
    assert value(case, *better) > value(case, maps, masks, scores)


@every
def test_only_what_it_is_about_counts(case, maps, masks, scores):
    """A metric of pixels does not look at the image scores, nor the other way round."""
    other = (maps, -scores) if case.of_pixels else (1 - maps, scores)
    assert value(case, other[0], masks, other[1]) == value(case, maps, masks, scores)


@every
def test_the_order_of_the_images_does_not_count(case, maps, masks, scores):
    rows = np.random.default_rng(0).permutation(len(LABELS))
    assert value(case, maps, masks, scores, rows) == pytest.approx(value(case, maps, masks, scores), rel=1e-12)


@every
def test_scores_on_another_scale(case, maps, masks, scores):
    """A linear change is without effect; any growing one where only the order counts."""
    expected = value(case, maps, masks, scores)
    assert value(case, 4 * maps, masks, 2 * scores + 1) == pytest.approx(expected, rel=1e-6)
    if case.by_rank:
        assert value(case, np.exp(maps.astype(np.float64)), masks, np.exp(scores)) == pytest.approx(expected, rel=1e-12)


@every
def test_undefined_without_defects(case, maps, masks, scores):
    assert np.isnan(value(case, maps, masks, scores, ~LABELS))


@every
def test_undefined_without_good_images_where_it_compares_with_them(case, maps, masks, scores):
    assert np.isnan(value(case, maps, masks, scores, LABELS)) == case.needs_good_images


@every
def test_by_type_it_is_the_value_of_the_good_images_and_that_type(case, maps, masks, scores):
    whole = evaluate(maps, masks, scores, LABELS, TYPES, metrics=[case.name])
    for kind in ("dent", "hole"):
        rows = np.array([other in ("good", kind) for other in TYPES])
        alone = value(case, maps, masks, scores, rows)
        assert whole[of_defect_type(case.name, kind)] == pytest.approx(alone, abs=1e-12)
