"""Winograd's algorithm alone: its rounding, the bits that it looks at, its parts."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from rdpp.kernels import winograd


@pytest.mark.parametrize("place", [(0, 0), (3, 3), (4, 7), (7, 0), (5, 2)])
@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_is_seen(place, number):
    x, weight, gradient = torch.randn(2, 3, 8, 8), torch.randn(5, 3, 3, 3), torch.randn(2, 5, 8, 8)
    assert winograd.convolve(x, weight) is not None
    assert winograd.weight_gradient(gradient, x) is not None
    gradient[1, 4, *place] = number
    assert winograd.input_gradient(gradient, weight) is None
    assert winograd.weight_gradient(gradient, x) is None
    x[1, 2, *place] = number
    assert winograd.convolve(x, weight) is None


def test_finite_numbers_are_told_from_others_by_their_bits():
    largest = np.finfo(np.float32).max
    for number, finite in ((0.0, True), (-largest, True), (largest, True), (np.inf, False), (-np.nan, False)):
        bits = np.array([[1.0, number]], np.float32).view(np.int32)
        assert winograd._all_finite(np.array([winograd._largest(bits)])) == finite


def test_images_in_work_are_equal_parts():
    for count in range(1, 20):
        chunk = winograd._chunk(torch.empty(count, 1, 32, 32))
        assert count % chunk == 0
        assert chunk <= 4


def test_rounding_is_what_the_docstring_says(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "scripts" / "bench")
    import rounding

    monkeypatch.delitem(sys.modules, "rounding")
    for ours, theirs, exact in rounding.directions(128).values():
        (largest, rms), (_, rms_of_torch) = (rounding.error(found, exact) for found in (ours, theirs))
        assert largest < 2e-5
        assert rms_of_torch < rms < 5e-6
