"""How fast rdpp is beside the released code's procedure written plainly (scripts/baseline.py), and beside the hardware.

    python scripts/bench.py [--full] [--data DIR --category NAME]

Each row's sides run in processes of their own that take turns, so that both meet the same machine; a ratio is the
median of the turns' ratios. Without --data the built-in data is made at 512 x 512. --full adds WideResNet50-2. The
table is printed and appended, with machine, versions and commit, to docs/benchmarks.jsonl.
"""

import argparse
import json
import platform
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Any

import torch
from rich import box
from rich.table import Table

from rdpp.data.synthetic import make_categories
from rdpp.tracking.console import output_console
from rdpp.tracking.provenance import code_tags

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "benchmarks.jsonl"


class Side:
    """A worker process."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, str(Path(__file__).with_name("bench_worker.py")), *arguments]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._read()

    def __enter__(self) -> "Side":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()

    def seconds(self) -> float:
        """Do the work once."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return json.loads(self._read())["seconds"]

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


def against(what: str, plain: list[str], ours: list[str], turns: int, warm: int, scale: float = 1.0) -> dict[str, Any]:
    """Both sides in turn; the first `warm` turns do not count. Seconds are divided by `scale`."""
    with Side("plain", *plain) as first, Side("rdpp", *ours) as second:
        pairs = [(first.seconds(), second.seconds()) for _ in range(warm + turns)][warm:]
        told = {"plain": first.end(), "rdpp": second.end()}
    row = {
        "what": what,
        "plain_s": median(a for a, _ in pairs) / scale,
        "rdpp_s": median(b for _, b in pairs) / scale,
        "ratio": median(a / b for a, b in pairs),
        "memory_ratio": told["rdpp"]["peak_gb"] / told["plain"]["peak_gb"],
        **{f"{side}_{name}": value for side, values in told.items() for name, value in values.items()},
    }
    if "floor" in told["rdpp"]:
        row["share_of_floor"] = told["rdpp"]["floor"] / min(b for _, b in pairs)
    print(f"{what}: {row['ratio']:.2f}x", file=sys.stderr)
    return row


def alone(what: str, ours: list[str]) -> dict[str, Any]:
    """rdpp without anything beside it."""
    with Side("rdpp", *ours) as side:
        seconds = min(side.seconds() for _ in range(3))
        told = side.end()
    return {"what": what, "rdpp_s": seconds, "rdpp_peak_gb": told["peak_gb"]}


def measure(options: argparse.Namespace) -> list[dict[str, Any]]:
    """All rows."""
    data, category = options.data, options.category
    if data is None:
        data, category = ROOT / "runs" / "bench-data", "bolt"
        if not data.is_dir():
            make_categories(data, seed=0, size=512)
    rows = [
        against("step, ResNet18", ["step", "resnet18"], ["step", "resnet18", "cached"], 7, 3),
        against("the same, first epoch", ["step", "resnet18"], ["step", "resnet18", "uncached"], 5, 3),
        against("a training sample", ["data", str(data), category], ["data", str(data), category], 7, 2, 16),
        against("metrics of 120 maps", ["metrics", "120"], ["metrics", "120", "all"], 3, 1),
        alone("pooled metrics of 1000 maps", ["metrics", "1000", "pooled"]),
    ]
    if options.full:
        name = "wide_resnet50_2"
        rows.append(against("step, WideResNet50-2", ["step", name], ["step", name, "cached"], 5, 2))
    return rows


def table(rows: list[dict[str, Any]]) -> Table:
    """For a person."""
    columns = {
        "what": lambda row: row["what"],
        "plain": lambda row: _seconds(row.get("plain_s")),
        "rdpp": lambda row: _seconds(row["rdpp_s"]),
        "times": lambda row: f"{row['ratio']:.2f}" if "ratio" in row else "",
        "of floor": lambda row: f"{100 * row['share_of_floor']:.0f} %" if "share_of_floor" in row else "",
        "calls": lambda row: f"{row.get('plain_calls', '')} {row.get('rdpp_calls', '')}",
        "peak GB": lambda row: f"{row.get('plain_peak_gb', 0):.2f} {row['rdpp_peak_gb']:.2f}",
        "memory": lambda row: f"{row['memory_ratio']:.2f}" if "memory_ratio" in row else "",
    }
    found = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        found.add_column(name, justify="left" if name == "what" else "right")
    for row in rows:
        found.add_row(*(show(row) for show in columns.values()))
    return found


def _seconds(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.2f} s" if value >= 1 else f"{1000 * value:.3g} ms"


def machine() -> dict[str, Any]:
    """Where and with what it was measured."""
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if "model name" in line
    ]
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "cpu": names[0] if names else platform.processor(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "numpy", "numba", "geomloss", "scikit-learn")},
        **code_tags(),
    }


def main() -> None:
    """Measure, print, keep."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--full", action="store_true", help="WideResNet50-2 too (half an hour more)")
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder of categories; default: built-in, 512 x 512")
    parser.add_argument("--category", default="screw")
    options = parser.parse_args()
    rows = measure(options)
    with RESULTS.open("a") as file:
        file.write(json.dumps({**machine(), "rows": rows}) + "\n")
    output_console().print(table(rows))


if __name__ == "__main__":
    main()
