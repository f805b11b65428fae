"""Shared fixtures. Real photographs and real weights are used where they lie beside the checkout."""

from pathlib import Path

import numpy as np
import pytest

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="session")
def golden():
    """Open one of the reference files, written by running the official code."""
    return lambda name: np.load(GOLDEN / name, allow_pickle=False)
