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


def test_means_over_seeds_and_then_over_categories(curve):
    """A category with more seeds counts no more than another; a variant that lacks a category is left out."""
    cells = {
        ("bolt", "rd"): [np.full((3, 2), 1.0), np.full((3, 2), 3.0)],
        ("weave", "rd"): [np.full((3, 2), 6.0)],
        ("bolt", "hard"): [np.full((3, 2), 5.0)],
    }
    ((variant, (seeds, means)),) = curve._of_categories(cells, ["bolt", "weave"]).items()
    assert (variant, seeds) == ("rd", "1 to 2")
    assert means == pytest.approx(np.full((3, 2), 4.0))
    assert set(curve._of_categories(cells, ["bolt"])) == {"rd", "hard"}


def test_the_table_ends_with_all_categories(curve):
    cells = {(category, "rd"): [np.full((3, 1), value)] for category, value in (("bolt", 0.5), ("weave", 0.7))}
    categories, *_, values = (list(column.cells) for column in curve._table(cells, 1).columns)
    assert categories == ["bolt"] * 3 + ["weave"] * 3 + ["all"] * 3
    assert values == ["50.0"] * 3 + ["70.0"] * 3 + ["60.0"] * 3


def test_the_picture_is_drawn(curve, tmp_path):
    curve._draw({"rd": ("2", np.zeros((3, 6)))}, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
