"""scripts/studies/judged.py: the epoch that the test images choose."""

import importlib
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from audits import audited_store

from rdpp.config import ConfigError

STUDIES = Path(__file__).parents[2] / "scripts" / "studies"
SERIES = {
    "image_auroc": {2: 0.7, 4: 0.9, 6: 0.8},
    "pixel_auroc": {2: 0.9, 4: 0.9, 6: 0.9},
    "pixel_aupro_per_image": {2: 0.8, 4: 0.5, 6: 0.75},  # the sum of these three is highest at epoch 6
    "pixel_aupro": {2: 0.3, 4: 0.2, 6: 0.1},
}


@pytest.fixture
def judged(monkeypatch):
    monkeypatch.syspath_prepend(STUDIES)
    return importlib.import_module("judged")


@pytest.mark.parametrize("watched", ["held_out/", ""])
def test_the_epoch_that_the_released_code_would_keep(judged, watched):
    found = judged.chosen_on_test(audited_store(SERIES, watched), SimpleNamespace(run_id="a"))
    assert found == {name: values[6] for name, values in SERIES.items()}


def test_a_run_that_was_not_audited(judged):
    with pytest.raises(ConfigError, match=r"the run a has no epochs on the test images; set evaluation\.audit to true"):
        judged.chosen_on_test(audited_store({name: {} for name in SERIES}), SimpleNamespace(run_id="a"))


@pytest.mark.parametrize("script", ["judged.py", "curve.py"])
def test_what_a_user_can_mend_is_one_line(script, tmp_path):
    flags = {"judged.py": ["--variant", "hard"], "curve.py": []}[script]
    command = [sys.executable, str(STUDIES / script), "any", *flags, "--tracking-uri", f"sqlite:///{tmp_path}/none.db"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
    assert done.stderr.startswith("rdpp: ")
