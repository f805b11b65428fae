"""numba's compiled loops (`njit(parallel=True)`) in step with torch: on the same threads, and on as many.

OpenMP threads busy-wait: after a loop they look out for further work for a while before they sleep. A second runtime
would contend with them, so both libraries run on one OpenMP runtime where they can.
"""

import os
from functools import cache

import numba
import numpy as np
import torch
from numba import njit, prange

_lost = False
"""Whether the threads of the loops stayed behind in another process."""


def as_many_as_torch() -> None:
    """Let the parallel loops that follow in this thread use as many threads as torch's operators do.

    Every kernel calls it before its loops.

    Raises:
        RuntimeError: this process was forked after loops had run. OpenMP would hang here, or kill it.
    """
    if _lost:
        raise RuntimeError(
            "this process was forked from one that had run compiled loops, and their OpenMP threads do not survive a "
            "fork; start it anew instead, such as by multiprocessing.get_context('spawn')"
        )
    numba.set_num_threads(min(torch.get_num_threads(), _started()))


def usable_cores() -> int:
    """How many CPU cores this process may use.

    numba is not asked: that would start its threads, and set torch's number of threads.
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def _started() -> int:
    """Start numba's threads, which sets torch's number of them: it is set back.

    Returns:
        How many numba has.
    """
    threads = torch.get_num_threads()
    _touch(np.zeros(1))
    torch.set_num_threads(threads)
    return numba.get_num_threads()


@njit(cache=True, parallel=True)
def _touch(x):
    for i in prange(len(x)):
        x[i] = 0


def _note_fork() -> None:
    """In a forked child. Where no loop had run before, there is no thread that could be missed."""
    global _lost
    _lost = _lost or _started.cache_info().currsize > 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_fork)
