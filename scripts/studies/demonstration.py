"""Does what the demonstration says hold? The study of `make sweep` with ten seeds of its sampler.

    python scripts/studies/demonstration.py DATA --repeats 10

DATA is the built-in data set (`rdpp data synth DATA`). Each repeat is the whole of `rdpp sweep demo`, with two workers,
in a store of its own, and with other seeds: of the sampler, of its runs, and so of the confirmation. Printed is for
each repeat how long it took, what it said (which value matters, where its best trials lie), and by how much the best
trial differs from the experiment as it stands on fresh seeds. Repeats are appended to a file, and what is there is not
run again.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.table import Table

from rdpp.cli import exit_code_of
from rdpp.display.console import output_console
from rdpp.yaml_file import read_yaml

DEMO = Path(__file__).parents[2] / "sweeps" / "demo.yaml"


def main() -> None:
    """Run what is missing, and print what all of it says."""
    options = _options()
    rows = _read(options.rows)
    for repeat in range(options.repeats):
        if repeat not in {row["repeat"] for row in rows}:
            rows.append(_run(options, repeat))
            options.rows.parent.mkdir(parents=True, exist_ok=True)
            with options.rows.open("a") as opened:
                opened.write(f"{json.dumps(rows[-1])}\n")
    output_console().print(_table(rows))


def _options() -> argparse.Namespace:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path, help="folder of the built-in data set")
    parser.add_argument("--repeats", type=int, default=10, help="(%(default)s)")
    parser.add_argument("--sweep", type=Path, default=DEMO, help="(%(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="(%(default)s)")
    parser.add_argument("--rows", type=Path, default=Path("runs/demonstration.jsonl"), help="(%(default)s)")
    return parser.parse_args()


def _run(options: argparse.Namespace, repeat: int) -> dict[str, Any]:
    """What one repeat printed, and its seconds."""
    definition = read_yaml(options.sweep)
    definition["sampler"] = {**definition["sampler"], "seed": repeat}
    definition["experiment"] = str((options.sweep.parent / definition["experiment"]).resolve())
    seeds = len(definition["set"]["seeds"])
    first = 1 + 100 * repeat
    with tempfile.TemporaryDirectory(prefix="rdpp-") as scratch:
        file = Path(scratch) / "sweep.yaml"
        file.write_text(json.dumps(definition))  # JSON is YAML
        command = [sys.executable, "-m", "rdpp", "sweep", str(file), "--workers", str(options.workers), "--json"]
        command += ["--data", str(options.data.resolve()), "--seeds", ",".join(map(str, range(first, first + seeds)))]
        began = time.monotonic()
        done = subprocess.run(command, cwd=scratch, check=True, stdout=subprocess.PIPE, text=True)
    return {"repeat": repeat, "seconds": time.monotonic() - began, **_said(json.loads(done.stdout))}


def _said(study: dict[str, Any]) -> dict[str, Any]:
    states = [trial["state"] for trial in study["trials"]]
    confirmed = study["confirmed"]
    kept = ("metric", "difference", "these_categories")
    return {
        "trials": len(states),
        "complete": states.count("complete"),
        "importances": study["importances"],
        "sentences": study["sentences"],
        "spread": study["spread"],
        "best": study["best"],
        "confirmed": confirmed and [{key: row[key] for key in kept} for row in confirmed["comparisons"]],
    }


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table(title="What the demonstration said", show_lines=True)
    for name in ("repeat", "seconds", "trials", "complete", "said", "best trial against the base, fresh seeds"):
        table.add_column(name)
    for row in sorted(rows, key=lambda row: row["repeat"]):
        fresh = [
            f"{one['metric']} {100 * one['difference']:+.1f} ({one['these_categories']['verdict']})"
            for one in row["confirmed"] or ()
        ]
        counts = [str(row["repeat"]), f"{row['seconds']:.0f}", str(row["trials"]), str(row["complete"])]
        table.add_row(*counts, "\n".join(row["sentences"][1:]), "\n".join(fresh) or "the base is the best")
    return table


def _read(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.is_file() else []


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
