"""The paper's latency picture, measured: RD, RD++, PatchCore and CFA judge the same image, one at a time.

    python scripts/bench/latency.py [--backbones resnet18,wide_resnet50_2] [--threads 2] [--shared]

Each method is a process of its own, with as many threads as the others; they take turns, and a turn is the median of
three images in a row. With --shared it is the CPU seconds of one thread, which other programs on the machine change
little. RD and RD++ are rdpp's, RD++ also the released procedure of baseline.py, PatchCore and CFA anomalib's, and so is
one more RD, so that methods and packages can be told apart. Each row has one of them beside rdpp's RD++. The table is
printed and appended to docs/benchmarks.jsonl, and docs/images/latency.png is drawn from the last rows there, so that
one backbone may be measured anew alone.
"""

import argparse
import os
from collections.abc import Iterator
from typing import Any

from bench import compared, in_turn, worker
from latency_picture import draw, recorded
from record import keep, table

from rdpp.display.console import output_console

IMAGES = 209
"""Training images of MVTec AD's bottle; the fifteen categories have 242 on average."""
PATCHES = 32 * 32
"""PatchCore's of an image of 256 x 256: the positions of stage 2."""
SHARES = (0.01, 0.1, 0.25)
"""Of all patches that the memory bank keeps: those of PatchCore's paper; anomalib's default is 0.1."""
OURS = "RD++, rdpp"


def methods(backbone: str) -> dict[str, list[str]]:
    """Each method's worker."""
    ours = {
        "RD, rdpp": worker("rdpp", "inference", backbone, "1", "rd"),
        OURS: worker("rdpp", "inference", backbone, "1", "rdpp"),
        "RD++, released procedure": worker("plain", "inference", backbone, "1"),
        "RD, anomalib": worker("anomalib", "inference", backbone, "rd"),
        "CFA, anomalib": worker("anomalib", "inference", backbone, "cfa"),
    }
    banks = {f"PatchCore {share:.0%}, anomalib": str(int(share * IMAGES * PATCHES)) for share in SHARES}
    return ours | {name: worker("anomalib", "inference", backbone, "patchcore", bank) for name, bank in banks.items()}


def measure(backbone: str, turns: int, clock: str) -> Iterator[dict[str, Any]]:
    """A row for each method."""
    taken = in_turn(methods(backbone), turns, repeats=3, clock=clock)
    for name, other in taken.items():
        row = compared(f"{backbone}: {name}, beside {OURS}", other, taken[OURS])
        yield row | {"backbone": backbone, "method": name, "clock": clock}


def main() -> None:
    """Measure, print, keep, draw."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--backbones", default="resnet18,wide_resnet50_2", help="(%(default)s)")
    parser.add_argument("--turns", type=int, default=5, help="of each method (%(default)s)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of each method (%(default)s)")
    parser.add_argument("--shared", action="store_true", help="others use the machine: CPU seconds of one thread")
    options = parser.parse_args()
    threads, clock = (1, "cpu_seconds") if options.shared else (options.threads, "seconds")
    os.environ |= {f"{library}_NUM_THREADS": str(threads) for library in ("OMP", "NUMBA")}
    rows = [row for name in options.backbones.split(",") for row in measure(name, options.turns, clock)]
    keep(rows)
    output_console().print(table(rows))
    draw(recorded())


if __name__ == "__main__":
    main()
