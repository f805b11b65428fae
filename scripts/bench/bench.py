"""How fast rdpp is beside the released procedure, written plainly in baseline.py, and beside the hardware.

    python scripts/bench/bench.py [--full] [--data DIR --category NAME] [--anomalib]

Each row's sides run in processes of their own that take turns, so that both meet the same machine; a ratio is the
median of the turns' ratios. Without --data the built-in data is made at 512 x 512. --full adds WideResNet50-2, the
whole epoch and what tracking adds to it. --anomalib adds rows beside anomalib's reverse distillation, for which uv
makes an environment in its cache.
The table is printed and appended, with machine, versions and commit, to docs/benchmarks.jsonl.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Any, NamedTuple

from record import keep, table

from rdpp.data import scan
from rdpp.demo import make_categories
from rdpp.display.console import output_console

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
ANOMALIB = "2.7.0"
FIRST_STEP = """
import os, sys
from rdpp.engine.step import Stepper
step = Stepper.step
def once(*given, **named):
    step(*given, **named)
    os._exit(0)
Stepper.step = once
from rdpp.cli import main
main(["train", "experiments/demo.yaml", "--data", sys.argv[1], "--categories", "bolt"])
"""


class Side:
    """A worker process."""

    def __init__(self, *command: str) -> None:
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._read()

    def __enter__(self) -> "Side":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()  # uv is killed, not the worker that it started: this ends it
        self._process.kill()
        self._process.wait()

    def seconds(self, clock: str = "seconds") -> float:
        """Do the work once; `clock`: `seconds`, or `cpu_seconds` of all threads of the process."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return json.loads(self._read())[clock]

    def end(self) -> dict[str, Any]:
        """What the worker tells at the end."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        return json.loads(self._read())

    def _read(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"a worker died: {' '.join(map(str, self._process.args))}")  # type: ignore[arg-type]
        return line


def worker(side: str, *arguments: str) -> list[str]:
    """The command of a worker of ours."""
    python = _anomalibs_python() if side == "anomalib" else [sys.executable]
    return [*python, str(HERE / "worker.py"), side, *arguments]


def _anomalibs_python() -> list[str]:
    """In an environment of its own, which uv makes once and keeps in its cache, with the torch that is here."""
    ours = {name: version(name).partition("+")[0] for name in ("torch", "torchvision")}
    wanted = [f"--with={name}=={number}" for name, number in {"anomalib": ANOMALIB, **ours}.items()]
    uv = [sys.executable, "-m", "uv", "run", "--no-project", "--isolated"]
    return [*uv, "--python", sys.executable, *wanted, "python", "-W", "ignore"]


class Taken(NamedTuple):
    """What a worker took and told."""

    seconds: list[float]
    """Of each turn."""
    told: dict[str, Any]


def in_turn(
    commands: dict[str, list[str]], turns: int, warm: int = 1, repeats: int = 1, clock: str = "seconds"
) -> dict[str, Taken]:
    """Workers take turns; the first `warm` turns do not count. A turn takes the median of `repeats` in a row."""
    with ExitStack() as stack:
        sides = {name: stack.enter_context(Side(*command)) for name, command in commands.items()}
        taken: dict[str, list[float]] = {name: [] for name in sides}
        for _ in range(warm + turns):
            for name, side in sides.items():
                taken[name].append(median(side.seconds(clock) for _ in range(repeats)))
        return {name: Taken(taken[name][warm:], side.end()) for name, side in sides.items()}


def compared(what: str, plain: Taken, rdpp: Taken, scale: float = 1.0) -> dict[str, Any]:
    """The row of two workers that took turns. Seconds are divided by `scale`; ranges are those of the turns."""
    sides = {"plain": plain, "rdpp": rdpp}
    row = {
        "what": what,
        **{f"{name}_s": median(side.seconds) / scale for name, side in sides.items()},
        **{f"{name}_range_s": [min(side.seconds) / scale, max(side.seconds) / scale] for name, side in sides.items()},
        "ratio": median(a / b for a, b in zip(plain.seconds, rdpp.seconds, strict=True)),
        "memory_ratio": rdpp.told["peak_gb"] / plain.told["peak_gb"],
        **{f"{name}_{key}": value for name, side in sides.items() for key, value in side.told.items()},
    }
    if "floor" in rdpp.told:
        row["share_of_floor"] = rdpp.told["floor"] / min(rdpp.seconds)
    print(f"{what}: {row['ratio']:.2f}x", file=sys.stderr)
    return row


def against(
    what: str, other: list[str], ours: list[str], turns: int, warm: int = 1, scale: float = 1.0
) -> dict[str, Any]:
    """Two commands in turn, see in_turn and compared."""
    taken = in_turn({"plain": other, "rdpp": ours}, turns, warm)
    return compared(what, taken["plain"], taken["rdpp"], scale)


def both(what: str, arguments: list[str], ours: list[str], turns: int, warm: int = 1, **more: float) -> dict[str, Any]:
    """The plain procedure against rdpp; `ours`: further arguments of rdpp's side."""
    return against(what, worker("plain", *arguments), worker("rdpp", *arguments, *ours), turns, warm, **more)


def alone(what: str, *arguments: str) -> dict[str, Any]:
    """rdpp without anything beside it."""
    with Side(*worker("rdpp", *arguments)) as side:
        seconds = min(side.seconds() for _ in range(3))
        told = side.end()
    return {"what": what, "rdpp_s": seconds, "rdpp_peak_gb": told["peak_gb"]}


def tracking(what: str, *run: str, turns: int) -> dict[str, Any]:
    """Runs without tracking beside the same with it, once MLflow is imported."""
    untracked, tracked = (worker("rdpp", "run", *run, how) for how in ("untracked", "tracked"))
    row = against(f"{what}: untracked beside tracked", untracked, tracked, turns)
    row["tracking_share"] = row["rdpp_tracking_s"] / row["rdpp_s"]
    print(f"{what}: tracking itself works {100 * row['tracking_share']:.1f} % of a run", file=sys.stderr)
    return row


def start_up(data: Path) -> Iterator[dict[str, Any]]:
    """Whole processes: the first step of `rdpp train` beside `import torch`, and the help."""
    commands = {
        "import torch": [sys.executable, "-c", "import torch"],
        "rdpp train, to the end of the first step": [sys.executable, "-c", FIRST_STEP, str(data)],
        "rdpp --help": [sys.executable, "-m", "rdpp", "--help"],
    }
    for what, command in commands.items():
        taken = []
        for _ in range(4):
            started = time.perf_counter()
            subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            taken.append(time.perf_counter() - started)
        yield {"what": what, "rdpp_s": median(taken[1:])}


def measure(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """All rows."""
    data, category = options.data, options.category
    if data is None:
        data, category = ROOT / "runs" / "bench-data", "bolt"
        if not data.is_dir():
            make_categories(data, seed=0, size=512)
    name = "resnet18"
    yield both("step, ResNet18", ["step", name], ["cached"], 7, 3)
    yield both("the same, first epoch", ["step", name], ["uncached"], 5, 2)
    samples = len(scan(data, category, test=False).train)
    yield both("a training sample", ["data", str(data), category], [], 5, 1, scale=samples)
    yield both("metrics of 120 maps", ["metrics", "120"], ["all"], 1)
    yield both("the same, by defect type", ["metrics", "120"], ["by_type"], 1)
    yield alone("pooled metrics of 1000 maps", "metrics", "1000", "pooled")
    for batch, turns in (("1", 15), ("16", 7)):
        arguments = ["inference", name, batch]
        yield both(f"an image of a batch of {batch}, to its map", arguments, ["rdpp"], turns, 3, scale=int(batch))
        cheaper = worker("rdpp", *arguments, "rd"), worker("rdpp", *arguments, "rdpp")
        yield against(f"plain RD beside RD++, batch of {batch}", *cheaper, turns, 3, scale=int(batch))
    yield tracking("the demonstration", "demo", "builtin", str(options.demo), "weave,speckle,bolt", "5", turns=3)
    yield from start_up(options.demo)
    if options.anomalib:
        theirs = worker("anomalib", "step", name)
        yield against("RD step beside anomalib's", theirs, worker("rdpp", "step", name, "cached", "rd"), 7, 3)
        uncached = worker("rdpp", "step", name, "uncached", "rd")
        yield against("the same, first epoch", theirs, uncached, 5, 3)
    if options.full:
        yield both("an epoch with evaluation, ResNet18", ["epoch", name, str(data), category], [], 2, 0)
        yield tracking(f"two epochs of {category}", "rdpp", name, str(data), category, "2", turns=2)
        yield both("step, WideResNet50-2", ["step", "wide_resnet50_2"], ["cached"], 5)


def main() -> None:
    """Measure, print, keep."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--full", action="store_true", help="WideResNet50-2 and a whole epoch too (half an hour more)")
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder of categories; default: built-in, 512 x 512")
    parser.add_argument("--category", default="screw")
    parser.add_argument("--anomalib", action="store_true", help="beside anomalib too (downloads it: 94 packages)")
    options = parser.parse_args()
    options.demo = ROOT / "runs" / "bench-demo"
    if not options.demo.is_dir():
        make_categories(options.demo, seed=0, size=128)
    rows: list[dict[str, Any]] = []
    try:
        for row in measure(options):
            rows.append(row)
    finally:  # stopped in the middle, it has measured something too
        if rows:
            keep(rows)
            output_console().print(table(rows))


if __name__ == "__main__":
    main()
