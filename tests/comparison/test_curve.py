"""scripts/studies/curve.py: means over parts of a training."""

import importlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from audits import audited_store

from rdpp.config import ConfigError

STUDIES = Path(__file__).parents[2] / "scripts" / "studies"


@pytest.fixture
def curve(monkeypatch):
    monkeypatch.syspath_prepend(STUDIES)
    return importlib.import_module("curve")


def store(epochs):
    """Of one run; metric k of epoch e is e + 100 k."""
    names = ("image_auroc", "pixel_auroc", "pixel_aupro")
    return audited_store({name: {epoch: epoch + 100 * k for epoch in epochs} for k, name in enumerate(names)})


def test_parts_are_means_over_their_epochs(curve):
    found = curve.means_of_parts(store(range(1, 6)), SimpleNamespace(run_id="a"), 2)
    assert found == pytest.approx(np.array([[2, 4.5], [102, 104.5], [202, 204.5]]))


def test_fewer_epochs_than_parts(curve):
    with pytest.raises(ConfigError, match=r"a has 2 epochs .*, fewer than 3 parts; set evaluation\.audit"):
        curve.means_of_parts(store((1, 2)), SimpleNamespace(run_id="a"), 3)
