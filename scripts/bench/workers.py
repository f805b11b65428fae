"""Trials an hour of one sweep with one worker and with several, in turn.

    python scripts/bench/workers.py --data /path/to/mvtec --categories screw,pill --teacher '{name: resnet18}'
    python scripts/bench/workers.py --workers 1,2,4 --device cuda:0

The workers share the machine's threads. The start of the processes is part of the time, as it is for a user.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml


def main() -> None:
    """Print a line for each number of workers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="of the images; by default synthetic ones are made")
    parser.add_argument("--categories", default="bolt,weave", help="which categories (%(default)s)")
    parser.add_argument("--teacher", default="{name: builtin}", help="as in an experiment (%(default)s)")
    parser.add_argument("--image-size", type=int, default=128, help="in pixels (%(default)s)")
    parser.add_argument("--steps", type=int, default=40, help="of a run (%(default)s)")
    parser.add_argument("--trials", type=int, default=4, help="of the sweep (%(default)s)")
    parser.add_argument("--workers", default="1,2", help="numbers to compare (%(default)s)")
    parser.add_argument("--device", default="auto", help="where to compute (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is timed (%(default)s)")
    options = parser.parse_args()
    numbers = [int(number) for number in options.workers.split(",")]
    with tempfile.TemporaryDirectory(prefix="workers-") as folder:
        sweep = write_sweep(Path(folder), options)
        seconds: dict[int, list[float]] = {number: [] for number in numbers}
        timed(Path(folder), sweep, numbers[0], "warm", "--trials", "1")  # decodes the images, compiles the kernels
        for turn in range(options.rounds):
            for number in numbers:
                seconds[number].append(timed(Path(folder), sweep, number, f"{turn}-{number}"))
    for number in numbers:
        best, first = min(seconds[number]), min(seconds[numbers[0]])
        rate = 3600 * options.trials / best
        print(
            f"{number} workers: {rate:.0f} trials an hour ({best:.0f} s), {first / best:.2f} times {numbers[0]} worker"
        )


def write_sweep(folder: Path, options: argparse.Namespace) -> Path:
    """The sweep's file."""
    if options.data is None:
        run("data", "synth", str(folder / "data"), "--size", str(options.image_size))
    experiment = {
        "name": "workers",
        "data": {
            "root": options.data or str(folder / "data"),
            "categories": options.categories.split(","),
            "image_size": options.image_size,
            "cache": str(folder / "cache"),
        },
        "teacher": yaml.safe_load(options.teacher),
        "noise": {"name": "simplex"},
        "losses": {
            "distillation": {},
            "ssot": {"pairing": "images"},
            "reconstruction": {},
            "contrast": {"margin": 0.0},
        },
        "training": {"steps": options.steps},
        "device": options.device,
    }
    (folder / "experiment.yaml").write_text(yaml.safe_dump(experiment))
    study = {
        "name": "workers",
        "experiment": "experiment.yaml",
        "space": {"noise.scale": {"kind": "float", "low": 0.05, "high": 1.0}},
        "sampler": {"name": "random"},
        "pruner": "none",
        "trials": options.trials,
    }
    (folder / "sweep.yaml").write_text(yaml.safe_dump(study))
    return folder / "sweep.yaml"


def timed(folder: Path, sweep: Path, workers: int, name: str, *more: str) -> float:
    """Seconds of a study of its own; `more`: further flags."""
    stores = ["--tracking-uri", f"sqlite:///{folder}/{name}/mlflow.db", "--storage", f"sqlite:///{folder}/{name}/o.db"]
    began = time.monotonic()
    run("sweep", str(sweep), "--workers", str(workers), *stores, *more)
    return time.monotonic() - began


def run(*arguments: str) -> None:
    """rdpp, whose output is of no interest unless it fails."""
    done = subprocess.run([sys.executable, "-m", "rdpp", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)


if __name__ == "__main__":
    main()
