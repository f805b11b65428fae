"""numba's loops and torch's operators use the same number of threads."""

import os
import subprocess
import sys

import numba
import pytest
import torch

from rdpp.kernels.threads import as_many_as_torch

FIRST = """
import torch
torch.set_num_threads(1)
from rdpp.kernels.threads import as_many_as_torch
as_many_as_torch()
print(torch.get_num_threads())
"""

FORK = """
import os, sys
import torch
torch.set_num_threads(1)
from rdpp.kernels.cosine import cosine_similarity
x = torch.rand(2, 3, 4, 4).contiguous(memory_format=torch.channels_last)
for when in sys.argv[1:]:
    if when == "before":
        cosine_similarity(x, x)
child = os.fork()
if child == 0:
    try:
        cosine_similarity(x, x)
        print("computed", flush=True)
    except RuntimeError as error:
        print(error, flush=True)
    os._exit(0)
os.waitpid(child, 0)
print(float(cosine_similarity(x, x).mean()))
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


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.parametrize("before", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_process_forked_after_loops_had_run_is_told_so(before):
    command = [sys.executable, "-c", FORK, *(["before"] if before else [])]
    found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=100).stdout.splitlines()
    told = "forked from one that had run compiled loops, and their OpenMP threads do not survive a fork; start it anew"
    assert told in found[0] if before else found[0] == "computed"
    assert float(found[1]) == pytest.approx(1)
