"""What an error of a run means."""

import pytest
import torch

from rdpp.config import ConfigError
from rdpp.metrics import NotFinite
from rdpp.runs.failures import DiedAgain, EndsWork, Failure, Streak, goes_on
from rdpp.stopping import Stopped


@pytest.mark.parametrize(
    ("error", "kind", "again"),
    [
        (NotFinite("3 of 9 scores are NaN"), "diverged", False),
        (ConfigError("cannot decode the image a.png"), "input", False),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), "memory", True),
        (MemoryError(), "memory", True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried to allocate"), "memory", True),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), "error", True),
        (DiedAgain("its process died 10 times"), "died", False),
    ],
)
def test_errors_of_a_run_are_its_failures(error, kind, again):
    failure = Failure.of(error)
    assert failure is not None
    assert (failure.kind, failure.again) == (kind, again)
    assert len(failure.reason) <= 500


def test_out_of_memory_names_the_settings_to_change():
    failure = Failure.of(MemoryError())
    assert failure is not None
    assert "training.batch_size" in failure.reason


@pytest.mark.parametrize("error", [TypeError(), KeyError("a"), AssertionError(), OSError(28, "No space left")])
def test_faults_of_the_code_or_the_disk_are_not_failures_of_a_run(error):
    assert Failure.of(error) is None


def test_five_failures_of_one_kind_in_a_row_end_the_work():
    streak = Streak()
    for _ in range(4):
        streak.note(Failure("diverged", "NaN"))
    streak.note(Failure("input", "no image"))
    for _ in range(3):
        streak.note(Failure("input", "no image"))
    streak.note(None)
    for _ in range(4):
        streak.note(Failure("input", "no image"))
    for _ in range(4):
        streak.note(Failure("memory", "full"))
    with pytest.raises(ConfigError, match=r"the last 5 runs failed alike.*full"):
        streak.note(Failure("memory", "full"))


@pytest.mark.parametrize(
    ("error", "later"),
    [
        (Stopped(15), True),
        (KeyboardInterrupt(), True),
        (OSError(28, "No space left on device"), True),
        (EndsWork("the study's storage is away"), True),
        (NotFinite("NaN"), False),
        (ConfigError("no image"), False),
        (RuntimeError("CUDA error"), False),
    ],
)
def test_what_meets_the_command_lets_the_run_go_on_later(error, later):
    assert goes_on(error) is later
