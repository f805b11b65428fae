"""scripts/studies/agreement.py: what it compares, and that docs/fidelity.md has the figures of the recorded runs."""

import importlib
import re
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def agreement(monkeypatch):
    for folder in ("studies", "bench"):
        monkeypatch.syspath_prepend(ROOT / "scripts" / folder)
    return importlib.import_module("agreement")


def rows(side, epochs, state=1):
    return [{"side": side, "state": state, "epoch": epoch} for epoch in epochs]


def test_all_sides_count_with_the_same_epochs(agreement):
    found = agreement._of_common_epochs([*rows("plain", range(1, 8)), *rows("off", range(1, 9))])
    assert found == [*rows("plain", range(1, 8)), *rows("off", range(1, 8))]


def test_the_page_has_the_figures_of_the_recorded_runs(agreement):
    recorded = agreement._read(ROOT / "docs" / "results" / "agreement.jsonl")
    text = (ROOT / "docs" / "fidelity.md").read_text()
    table = re.findall(
        r"^\| (metal_plate|pill) \| (image AUROC|pixel AUROC|AU-PRO 0.3) \| (.+) \|$", text, re.MULTILINE
    )
    assert len(table) == 6
    for category, name, cells in table:
        metric = dict(zip(("image AUROC", "pixel AUROC", "AU-PRO 0.3"), agreement.METRICS, strict=True))[name]
        own = agreement._of_common_epochs([row for row in recorded if row["category"] == category])
        means = [agreement._means(own, side, metric)[0] for side in agreement.SIDES]
        expected = [f"{np.mean(list(of.values())):.1f}" for of in means]
        expected += [told(*agreement._difference(of, means[0], 3.0)) for of in means[1:]]
        assert cells.split(" | ") == expected, (category, name)


def told(difference, interval, agrees):
    low, high = (f"{float(end):.1f}" for end in interval.split())
    return f"{float(difference):+.1f} ({low}, {high}): {'agrees' if agrees == 'yes' else agrees}"
