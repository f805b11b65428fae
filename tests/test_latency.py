"""The benchmark of latencies: workers take turns, and the picture shows what was measured."""

import importlib
import sys
from pathlib import Path

import pytest
from PIL import Image

BENCH = Path(__file__).parents[1] / "scripts" / "bench"
MORE = {"plain_threads": 1, "clock": "cpu_seconds", "plain_bank": [2140, 384]}
WORKER = """
import json, sys
name, log, *seconds = sys.argv[1:]
print("ready", flush=True)
for _ in sys.stdin:
    print(name, file=open(log, "a"))
    print(json.dumps({"seconds": -1, "cpu_seconds": float(seconds.pop(0))}), flush=True)
print(json.dumps({"peak_gb": 1.0, "called": name}), flush=True)
"""


@pytest.fixture
def script(monkeypatch):
    """Imports a script."""
    monkeypatch.syspath_prepend(BENCH)
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and Path(str(sys.modules[name].__file__)).parent == BENCH:
            del sys.modules[name]


def test_workers_take_turns_and_a_row_compares_them_turn_by_turn(script, tmp_path):
    bench, log = script("bench"), tmp_path / "log"

    def command(name, *seconds):
        return [sys.executable, "-c", WORKER, name, str(log), *map(str, seconds)]

    # two in a row, one turn that does not count, three that do
    commands = {"a": command("a", 99, 99, 2, 4, 6, 6, 9, 9), "b": command("b", 99, 99, 1, 1, 1, 1, 9, 9)}
    taken = bench.in_turn(commands, turns=3, warm=1, repeats=2, clock="cpu_seconds")
    assert log.read_text().split() == ["a", "a", "b", "b"] * 4
    assert taken["a"].seconds == [3, 6, 9]
    assert taken["b"].seconds == [1, 1, 9]
    row = bench.compared("a beside b", taken["a"], taken["b"], scale=2)
    assert (row["plain_s"], row["rdpp_s"]) == (3, 0.5)
    assert (row["plain_range_s"], row["rdpp_range_s"]) == ([1.5, 4.5], [0.5, 4.5])
    assert row["ratio"] == 3  # of 3, 6 and 1: the median of ratios, not the ratio of medians
    assert (row["plain_called"], row["rdpp_called"]) == ("a", "b")


def test_the_picture_shows_every_measured_method_apart_from_what_was_published(script, tmp_path, monkeypatch):
    picture = script("latency_picture")
    monkeypatch.setattr(picture, "PICTURE", tmp_path / "latency.png")
    methods = list(script("latency").methods("resnet18"))
    rows = [
        {"backbone": backbone, "method": name, "plain_s": 0.1, "plain_range_s": [0.09, 0.2], **MORE}
        for backbone in ("resnet18", "wide_resnet50_2")
        for name in methods
    ]
    picture.draw(rows)
    with Image.open(tmp_path / "latency.png") as image:
        assert image.width > 2 * image.height


def test_the_patchcore_banks_are_shares_of_the_training_images_patches(script):
    commands = script("latency").methods("resnet18")
    banks = [command[-1] for name, command in commands.items() if name.startswith("PatchCore")]
    assert banks == ["2140", "21401", "53504"]


def test_the_recorded_measurement_has_every_method_on_both_backbones(script):
    rows = script("latency_picture").recorded()
    methods = list(script("latency").methods("resnet18"))
    assert [(row["backbone"], row["method"]) for row in rows] == [
        (backbone, method) for backbone in ("resnet18", "wide_resnet50_2") for method in methods
    ]
    assert len({row[f"{side}_threads"] for row in rows for side in ("plain", "rdpp")}) == 1
    assert len({row["plain_torch"] for row in rows if "anomalib" in row["method"]}) == 1
