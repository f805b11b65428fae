"""Hooks of all tests, and where real photographs and real weights lie. Other fixtures are in common_fixtures.py."""

import os
import shutil
from pathlib import Path

import pytest
from skips import pytest_make_collect_report, pytest_runtest_makereport  # noqa: F401  (hooks)

collect_ignore_glob = ["conftest.py", "*/conftest.py"]  # no doctests in them, and their names clash


MEMORY = Path("/dev/shm")
ROOM = 8e9
"""Bytes that the files of all tests at a time may need."""


def pytest_configure(config):
    """The process that hands tests out to others needs no fixtures, and starts sooner without what they import.

    The tests' files lie in memory where there is room: they write 10 GB, and wait for the disk a sixth of the time.
    """
    if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))  # where pytest makes its folders
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", None):
        config.pluginmanager.import_plugin("common_fixtures")


def pytest_runtest_setup(item):
    if item.get_closest_marker("cuda"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("no CUDA device")


@pytest.fixture(scope="session")
def shared():
    """The folder with real photographs and weights: RDPP_SHARED, or `shared` beside the checkout."""
    folder = Path(os.environ.get("RDPP_SHARED") or Path(__file__).parents[2] / "shared")
    if not folder.is_dir():
        pytest.skip(f"no folder {folder}; name the one with real photographs and weights in RDPP_SHARED")
    return folder


@pytest.fixture(scope="session")
def resnet18_weights(shared):
    """ImageNet weights of ResNet18's stem and layers 1-3."""
    return shared / "weights" / "resnet18_imagenet1k_v1_stem_layer1-3.pth"


@pytest.fixture(scope="session")
def real_data(shared):
    """Folder of real categories."""
    return shared / "data"
