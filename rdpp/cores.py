"""numba's compiled loops (`njit(parallel=True)`) in step with torch: on the same threads, and on as many.

Both run on the threads of one OpenMP library where they can. Threads of another kind would have to wait for those,
which look out for further work of their own for a while before they sleep.
"""

from functools import cache

import numba
import numpy as np
import torch
from numba import njit, prange


def as_many_as_torch() -> None:
    """Let the parallel loops that follow in this thread use as many threads as torch's operators do."""
    numba.set_num_threads(min(torch.get_num_threads(), _started()))


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
