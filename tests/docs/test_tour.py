"""The notebook: executed from top to bottom in an empty folder, and stored without what it prints."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

TOUR = Path(__file__).parents[2] / "docs" / "tour.ipynb"


@pytest.fixture
def tour():
    return nbformat.read(TOUR, as_version=4)


def test_the_notebook_is_valid_and_stored_without_outputs(tour):
    nbformat.validate(tour)
    code = [cell for cell in tour.cells if cell.cell_type == "code"]
    assert len(code) >= 6
    assert [cell for cell in code if cell.outputs or cell.execution_count] == []


@pytest.mark.slow
def test_the_notebook_runs_from_top_to_bottom(tour, tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("RDPP_STORAGE", raising=False)
    NotebookClient(tour, timeout=1200, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in tour.cells for output in cell.get("outputs", ())]
    printed = "".join(output.get("text", "") + output.get("data", {}).get("text/plain", "") for output in outputs)
    assert "predict with the network for bolt, seed 1" in printed
    assert "study demo" in printed
    assert "rdpp against rd: on this category not enough to tell" in printed
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 1
    assert (tmp_path / "predicted" / "predictions.csv").is_file()
