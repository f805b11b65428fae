"""The rule of skips.py, on a small suite of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SUITE = """
import pytest

@pytest.mark.skip(reason="because")
def test_a_skip(): ...

@pytest.mark.cuda
@pytest.mark.skip(reason="no device")
def test_a_cuda_skip(): ...

@pytest.mark.xfail
def test_a_known_failure(): assert False

def test_that_passes(): ...
"""


def run(folder, fail_on_skip):
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent), "RDPP_FAIL_ON_SKIP": fail_on_skip}
    command = [sys.executable, "-m", "pytest", "-p", "skips", "-p", "no:cacheprovider", "--rootdir", str(folder)]
    return subprocess.run([*command, str(folder)], env=environment, cwd=folder, capture_output=True, text=True)


@pytest.fixture
def suite(tmp_path):
    (tmp_path / "test_suite.py").write_text(SUITE)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = cuda: needs a CUDA device")
    return tmp_path


def test_a_skip_is_a_skip_by_default(suite):
    done = run(suite, "")
    assert "1 passed, 2 skipped, 1 xfailed" in done.stdout
    assert done.returncode == 0


def test_a_skip_can_count_as_a_failure(suite):
    done = run(suite, "1")
    assert "1 passed, 1 skipped, 1 xfailed, 1 error" in done.stdout
    assert "skipped where RDPP_FAIL_ON_SKIP=1: Skipped: because" in done.stdout
    assert done.returncode == 1


def test_a_skipped_module_can_count_as_a_failure(suite):
    (suite / "test_module.py").write_text("import pytest\npytest.skip('not here', allow_module_level=True)")
    done = run(suite, "1")
    assert "skipped where RDPP_FAIL_ON_SKIP=1: Skipped: not here" in done.stdout
    assert done.returncode != 0
