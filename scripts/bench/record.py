"""The benchmarks' rows for a person and for the record."""

import json
import platform
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from rich import box
from rich.table import Table

from rdpp.provenance import code_tags

RESULTS = Path(__file__).parents[2] / "docs" / "benchmarks.jsonl"


def keep(rows: list[dict[str, Any]]) -> None:
    """Append the rows, with machine, versions and commit, to the results file."""
    with RESULTS.open("a") as file:
        file.write(json.dumps({**machine(), "rows": rows}) + "\n")


def table(rows: list[dict[str, Any]]) -> Table:
    """For a person."""
    columns = {
        "what": lambda row: row["what"],
        "other": lambda row: _seconds(row.get("plain_s")),
        "rdpp": lambda row: _seconds(row["rdpp_s"]),
        "times": lambda row: f"{row['ratio']:.2f}" if "ratio" in row else "",
        "floor / rdpp": lambda row: f"{100 * row['share_of_floor']:.0f} %" if "share_of_floor" in row else "",
        "calls": lambda row: f"{row.get('plain_calls', '')} {row.get('rdpp_calls', '')}".strip(),
        "peak GB": lambda row: " ".join(
            f"{row[name]:.2f}" for name in ("plain_peak_gb", "rdpp_peak_gb") if name in row
        ),
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
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if "model name" in line]
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "cpu": names[0] if names else platform.processor(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "numpy", "numba", "geomloss", "scikit-learn")},
        **code_tags(),
    }
