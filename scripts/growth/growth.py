"""What the tracking around a run costs, and whether it grows with the number of runs: sweeps whose runs cost nothing.

    python scripts/growth/growth.py                     1 and 4 workers on sqlite, 1 and 4 on PostgreSQL and MLflow
    python scripts/growth/growth.py --points 100 --workers 1 --stores sqlite --clones 1800

It prints medians by window of points: of the CPU's seconds and of all. `--clones`: afterwards so many finished points
are cloned into the study and its MLflow store, and 20 more points are worked at (on sqlite).
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import optuna
from cloned import clones

sys.path.append(str(Path(__file__).parents[1] / "soak"))
from servers import running

_EXPERIMENT = """
name: growth
data: {{root: {folder}/data, categories: [bolt], image_size: 64, cache: {folder}/cache}}
teacher: {{name: builtin}}
training: {{steps: 6, batch_size: 4}}
seeds: [1]
device: cpu
threads: 1
heatmaps: 0
keep: none
"""
_SWEEP = """
name: growth
experiment: experiment.yaml
space:
  noise.scale: {{kind: float, low: 0.05, high: 1.0, log: true}}
  losses.ssot.weight: {{kind: float, low: 0.01, high: 2.0, log: true}}
pruner: none
trials: {points}
"""
_LATER = 20
"""Points that are worked at after cloning."""


def main() -> None:
    """Print a table a store and number of workers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=200)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--stores", nargs="+", choices=("sqlite", "servers"), default=["sqlite", "servers"])
    parser.add_argument("--clones", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="growth-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL's own account has to come in
        _rdpp(folder, "data", "synth", str(folder / "data"), "--size", "64")
        (folder / "experiment.yaml").write_text(_EXPERIMENT.format(folder=folder))
        for store in options.stores:
            for workers in options.workers:
                grow(folder, store, workers, options.points, options.clones)


def grow(folder: Path, store: str, workers: int, points: int, cloned: int) -> None:
    """One sweep, and one that goes on with it after cloning."""
    own = folder / f"{store}-{workers}"
    own.mkdir()
    with ExitStack() as stack:
        tracking, storage = f"sqlite:///{own}/mlflow.db", f"sqlite:///{own}/optuna.db"
        if store == "servers":
            servers = stack.enter_context(running(own / "servers"))
            tracking, storage = servers.tracking_uri, servers.storage
        print(f"{store}, {workers} workers, {points} points", flush=True)
        _sweep(folder, own, tracking, storage, workers, points)
        if cloned and store == "sqlite":
            _clone(own, cloned, points)
            print(f"{store}, {workers} workers, {_LATER} points after {points + cloned}", flush=True)
            _sweep(folder, own, tracking, storage, workers, points + cloned + _LATER)


def _sweep(folder: Path, own: Path, tracking: str, storage: str, workers: int, points: int) -> None:
    (folder / "sweep.yaml").write_text(_SWEEP.format(points=points))
    log = own / f"times-{points}"
    began = time.monotonic()
    stores = ["--tracking-uri", tracking, "--storage", storage, "--workers", str(workers)]
    _rdpp(own, "sweep", str(folder / "sweep.yaml"), *stores, "--json", log=log)
    print(f"  {time.monotonic() - began:.0f} s in all")
    report([json.loads(line) for line in log.read_text().splitlines()])


def report(lines: Sequence[dict[str, Any]]) -> None:
    """Medians by window of points; what is sent of a run is summed."""
    lines = sorted(lines, key=lambda line: line["at"])
    begun = [line["at"] for line in lines if line["what"] == "ask"]
    for first in range(0, len(begun), 20):
        end = begun[first + 20] if first + 20 < len(begun) else float("inf")
        if first not in (0, 20, 40, 80, 100, 180) and end != float("inf"):
            continue
        window = [line for line in lines if begun[first] <= line["at"] < end]
        figures = []
        for what in ("open_more", "ask", "put", "tell", "settle", "all"):
            found = [line for line in window if line["what"] == what]
            if found:
                wall, cpu = (1000 * statistics.median(line[of] for line in found) for of in ("seconds", "cpu"))
                figures.append(f"{what} {wall:.0f} ({cpu:.0f})")
        runs: dict[str, float] = {}
        for line in window:
            if line["what"] == "send" and line["of"]:
                runs[line["of"]] = runs.get(line["of"], 0.0) + line["cpu"]
        sent = f"MLflow a run: CPU {1000 * statistics.median(runs.values()):.0f}" if runs else ""
        print(f"  points {first} to {first + 20}: ms, of the CPU in brackets: {', '.join(figures)}; {sent}", flush=True)


def _clone(own: Path, count: int, points: int) -> None:
    """Finished points, with their runs."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.load_study(study_name="growth", storage=f"sqlite:///{own}/optuna.db")
    known = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
    study.add_trials(known[i % len(known)] for i in range(count))
    with clones(own / "mlflow.db") as store:
        store.more_trials("growth", range(points, points + count))


def _rdpp(cwd: Path, *arguments: str, log: Path | None = None) -> None:
    extra = {} if log is None else {"RDPP_GROWTH_LOG": str(log)}
    path = os.pathsep.join([str(Path(__file__).parent / "free"), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "OMP_WAIT_POLICY": "passive", "PYTHONPATH": path, **extra}
    with (cwd / "errors.txt").open("a+") as errors:
        command = [sys.executable, "-m", "rdpp", *arguments]
        done = subprocess.run(command, cwd=cwd, env=environment, stdout=subprocess.DEVNULL, stderr=errors)
        if done.returncode:
            errors.seek(0)
            raise SystemExit(f"rdpp {arguments[0]} ended with {done.returncode}: {errors.read()[-3000:]}")


if __name__ == "__main__":
    main()
