"""Draws docs/images/latency.png: what latency.py measured, and the paper's figures apart from it.

python scripts/bench/latency_picture.py          draws it anew from docs/benchmarks.jsonl
"""

import json
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from record import RESULTS

PICTURE = RESULTS.parent / "images" / "latency.png"
PAPER = {"RD": 26, "RD++": 28, "CFA": 78, "PatchCore": 181}
"""Milliseconds, published with RD++ (CVPR 2023), on its authors' GPU."""
_NAMES = {"resnet18": "ResNet18", "wide_resnet50_2": "WideResNet50-2"}
_COLOURS = {"rdpp": "#0b5394", "released procedure": "#6fa8dc", "anomalib": "#e69138"}
_PUBLISHED = "#d9d9d9"


def draw(rows: list[dict[str, Any]]) -> None:
    """Rows of latency.py: a panel a backbone, and one of what was published."""
    backbones = list(dict.fromkeys(row["backbone"] for row in rows))
    figure = Figure(figsize=(3.6 * len(backbones) + 4.6, 3.7), layout="constrained")
    panels = figure.subplots(1, len(backbones) + 1, width_ratios=[3] * len(backbones) + [2])
    for panel, backbone in zip(panels, backbones, strict=False):
        _measured(panel, [row for row in rows if row["backbone"] == backbone])
        panel.set_title(f"measured here: {_NAMES.get(backbone, backbone)}", fontsize=10)
        if panel is not panels[0]:
            panel.tick_params(labelleft=False)
    _published(panels[-1])
    figure.savefig(PICTURE, dpi=100, pil_kwargs={"optimize": True})


def _measured(panel: Axes, rows: list[dict[str, Any]]) -> None:
    for row in rows:
        method, _, package = row["method"].partition(", ")
        bank = f" ({row['plain_bank'][0]:,})" if method.startswith("PatchCore") else ""
        name, seconds, (low, high) = f"{method}{bank}, {package}", row["plain_s"], row["plain_range_s"]
        panel.barh(name, 1000 * seconds, color=_COLOURS[package], height=0.7)
        panel.plot([1000 * low, 1000 * high], [name] * 2, color="black", linewidth=1)
        panel.annotate(f" {1000 * seconds:.0f}", (1000 * max(seconds, high), name), va="center", fontsize=9)
    threads = "1 thread" if rows[0]["plain_threads"] == 1 else f"{rows[0]['plain_threads']} threads"
    _dress(panel, f"{'CPU ms' if rows[0]['clock'] == 'cpu_seconds' else 'ms'} an image, {threads}")


def _published(panel: Axes) -> None:
    for name, milliseconds in PAPER.items():
        panel.barh(name, milliseconds, color=_PUBLISHED, edgecolor="0.4", hatch="///", height=0.7)
        panel.annotate(f" {milliseconds}", (milliseconds, name), va="center", fontsize=9)
    panel.set_title("published: the authors' GPU\n(not measured here)", fontsize=10)
    panel.set_facecolor("0.95")
    _dress(panel, "ms an image")


def _dress(panel: Axes, label: str) -> None:
    panel.set_xlabel(label, fontsize=9)
    panel.invert_yaxis()
    panel.margins(x=0.18)
    panel.set_xlim(left=0)
    panel.spines[["top", "right"]].set_visible(False)
    panel.tick_params(labelsize=9)


def recorded() -> list[dict[str, Any]]:
    """The last row of each backbone and method in docs/benchmarks.jsonl."""
    runs = [json.loads(line)["rows"] for line in RESULTS.read_text().splitlines()]
    last = {(row["backbone"], row["method"]): row for rows in runs for row in rows if "backbone" in row}
    return list(last.values())


if __name__ == "__main__":
    draw(recorded())
