"""numba's loops and torch's operators use the same number of threads."""

import subprocess
import sys

import numba
import pytest
import torch

from rdpp.cores import as_many_as_torch

FIRST = """
import torch
torch.set_num_threads(1)
from rdpp.cores import as_many_as_torch
as_many_as_torch()
print(torch.get_num_threads())
"""


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize("count", [1, 2])
def test_numba_takes_torchs_number_of_threads(threads, count):
    threads(count)
    as_many_as_torch()
    assert numba.get_num_threads() == min(count, numba.config.NUMBA_NUM_THREADS)
    assert torch.get_num_threads() == count


def test_more_threads_than_the_machine_has_cores(threads):
    threads(numba.config.NUMBA_NUM_THREADS + 3)
    as_many_as_torch()
    assert numba.get_num_threads() == numba.config.NUMBA_NUM_THREADS
    assert torch.get_num_threads() == numba.config.NUMBA_NUM_THREADS + 3


def test_to_start_numbas_threads_changes_nothing_for_torch():
    found = subprocess.run([sys.executable, "-c", FIRST], capture_output=True, text=True, check=True)
    assert found.stdout == "1\n"
