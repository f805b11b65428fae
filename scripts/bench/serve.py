"""The worker's half of a benchmark: does its work once for each line it reads, and prints what it took."""

import json
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

Work = tuple[Callable[[], Any], Callable[[], dict[str, Any]]]
"""What is timed, and what is told at the end."""


def nothing() -> dict[str, Any]:
    """Nothing to tell."""
    return {}


def serve(work: Callable[[], Any], tell: Callable[[], dict[str, Any]] = nothing) -> None:
    """Print `ready`, then for each line on standard input one JSON object with the seconds of the work, by the clock
    and of the CPU; at the end of the input one with the peak memory of the process until then, its threads, and what
    else there is to tell."""
    print("ready", flush=True)
    for _ in sys.stdin:
        started, cpu_started = time.perf_counter(), time.process_time()
        work()
        taken = {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - cpu_started}
        print(json.dumps(taken), flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(json.dumps({"peak_gb": peak, "threads": torch.get_num_threads(), **tell()}), flush=True)


def arithmetic(work: Callable[[], Any]) -> dict[str, Any]:
    """Multiplications and additions of torch's convolutions and matrix products in it, in GFLOP."""
    with FlopCounterMode(display=False) as counted:
        work()
    return {"gflop": counted.get_total_flops() / 1e9}


def gpu_memory(device: str) -> dict[str, Any]:
    """The peak of a GPU's memory, in GB."""
    return {} if device == "cpu" else {"gpu_peak_gb": torch.cuda.max_memory_allocated(device) / 1e9}
