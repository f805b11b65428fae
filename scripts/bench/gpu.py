"""What a GPU makes of it: the step beside the released procedure and beside the device, and several runs on one GPU.

    python scripts/bench/gpu.py [--teacher wide_resnet50_2] [--small resnet18] [--compiled] [--device cuda]

Rows: the released procedure in fp32 against rdpp in fp32 and bf16 (and bf16 compiled), taking turns; of the floor:
the step's convolutions alone in the same precision, over the step. Then images a second of 1, 2 and 4 processes that
train the small network on the one device together. Utilisation comes from nvidia-smi, where it is. The table is
printed and appended, with machine, versions and commit, to docs/benchmarks.jsonl. `--device cpu` tries the script.
"""

import argparse
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from statistics import mean
from typing import Any

from bench import Side, against, worker
from record import keep, table

from rdpp.display.console import output_console

BATCH = 16


def steps(name: str, device: str, turns: int, ways: list[tuple[str, str]]) -> Iterator[dict[str, Any]]:
    """The step in each way to compute it: precision, and whether it is compiled."""
    plain = worker("plain", "step", name, device)
    for precision, compiled in ways:
        ours = worker("rdpp", "step", name, "cached", "rdpp", device, precision, compiled)
        label = f"step, {name}, {precision}{', compiled' if compiled == 'on' else ''}"
        yield against(label, plain, ours, turns, 3)


def together(name: str, device: str, workers: int, seconds: float) -> dict[str, Any]:
    """So many processes training at once: images a second of all, and the device's mean utilisation in per cent."""
    command = worker("rdpp", "step", name, "cached", "rdpp", device, "bf16", "off")
    with ExitStack() as stack, ThreadPoolExecutor(workers) as pool:
        sides = [stack.enter_context(Side(*command)) for _ in range(workers)]
        list(pool.map(lambda side: [side.seconds() for _ in range(3)], sides))
        end, busy = time.perf_counter() + seconds, []
        running = [pool.submit(_until, side, end) for side in sides]
        while not all(future.done() for future in running):
            time.sleep(0.5)
            busy += _utilisation()
        images = BATCH * sum(future.result() for future in running) / seconds
    row = {"what": f"{workers} runs of {name} at once", "rdpp_s": 1 / images, "images_per_second": images}
    return row | ({"utilisation": mean(busy)} if busy else {})


def _until(side: Side, end: float) -> int:
    count = 0
    while time.perf_counter() < end:
        side.seconds()
        count += 1
    return count


def _utilisation() -> list[float]:
    if shutil.which("nvidia-smi") is None:
        return []
    command = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [float(found.splitlines()[0])]


def main() -> None:
    """Measure, print, keep."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--teacher", default="wide_resnet50_2")
    parser.add_argument("--small", default="resnet18")
    parser.add_argument("--compiled", action="store_true", help="a compiled step too; it takes minutes to compile")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--turns", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=20, help="of each number of processes")
    options = parser.parse_args()
    ways = [("fp32", "off"), ("bf16", "off"), *([("bf16", "on")] if options.compiled else [])]
    names = dict.fromkeys([options.teacher, options.small])
    rows: list[dict[str, Any]] = []
    try:
        for name in names:
            rows.extend(steps(name, options.device, options.turns, ways))
        rows.extend(together(options.small, options.device, count, options.seconds) for count in (1, 2, 4))
    finally:
        keep(rows)  # what was measured before an interruption too
    for row in rows:
        if "images_per_second" in row:
            busy = f", {row['utilisation']:.0f} % busy" if "utilisation" in row else ""
            print(f"{row['what']}: {row['images_per_second']:.0f} images a second{busy}", file=sys.stderr)
    output_console().print(table(rows))


if __name__ == "__main__":
    main()
