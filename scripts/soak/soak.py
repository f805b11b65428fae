"""A soak: a sweep whose workers are killed, stopped and suspended all the time must end as if nobody had touched it.

    python scripts/soak/soak.py             12 points x 2 categories, 3 workers, 22 kills (12 minutes on 2 cores)
    python scripts/soak/soak.py --short     3 points, 2 workers, 5 kills (2 minutes)

It prints what was struck and what was found, and exits with 1 if anything differs from the undisturbed sweep. It needs
Linux: whom to strike, and when, it reads from /proc/locks.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from strikes import PHASES, Striker

EVERY = 3
"""Batches between two savings of a state."""
_EXPERIMENT = """
name: soak
data: {{root: {root}, categories: [bolt, weave], image_size: 64, cache: {cache}}}
teacher: {{name: builtin}}
noise: {{name: simplex, field: sample}}
losses: {{distillation: {{}}, ssot: {{pairing: images, positions: 16}}}}
training: {{steps: {steps}, batch_size: 4}}
seeds: [1]
device: cpu
threads: 1
heatmaps: 1
checkpoint_every: {every} batches
"""
_SWEEP = """
name: soak
experiment: experiment.yaml
space:
  noise.scale: {{kind: float, low: 0.05, high: 1.0, log: true}}
  losses.ssot.weight: {{kind: float, low: 0.01, high: 2.0, log: true}}
sampler: {{name: {sampler}}}
pruner: {pruner}
trials: {points}
"""


@dataclass(frozen=True)
class Size:
    """Of a soak."""

    points: int
    workers: int
    steps: int
    strikes: tuple[tuple[str, int], ...]
    """How often each phase is struck by SIGKILL, and how many SIGTERMs and SIGSTOPs there are."""
    suspended: float
    """Seconds that a SIGSTOP lasts."""
    limit: float
    """Seconds after which nothing is struck any more."""
    sampler: str = "random"
    """Its points are the same in whichever order trials end."""
    pruner: str = "none"


SEVERAL = Size(12, 3, 24, (*((phase, 4) for phase in PHASES), ("command", 2), ("term", 5), ("stop", 3)), 50.0, 400.0)
ALONE = Size(9, 1, 24, (*((phase, 2) for phase in PHASES), ("term", 2)), 50.0, 200.0, sampler="tpe", pruner="halving")
SHORT = Size(3, 2, 12, (*((phase, 1) for phase in PHASES), ("term", 1), ("stop", 1)), 6.0, 80.0)


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="a small one")
    parser.add_argument("--seed", type=int, default=0, help="of when is struck (%(default)s)")
    options = parser.parse_args()
    sizes = [SHORT] if options.short else [SEVERAL, ALONE]
    problems = [problem for size in sizes for problem in soak(size, options.seed)]
    for problem in problems:
        print(f"PROBLEM: {problem}")
    print("nothing was lost" if not problems else f"{len(problems)} problems")
    return 1 if problems else 0


def soak(size: Size, seed: int) -> list[str]:
    """What is wrong after one sweep was struck."""
    print(f"{size.points} points x 2 categories, {size.workers} workers, sampler {size.sampler}, pruner {size.pruner}")
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        sweep = Soak(Path(folder), size)
        began = time.monotonic()
        whole = sweep.undisturbed()
        print(f"undisturbed: {time.monotonic() - began:.0f} s")
        began = time.monotonic()
        parts, struck = sweep.disturbed(seed)
        print(f"disturbed: {time.monotonic() - began:.0f} s; struck: {dict(struck)}", flush=True)
        return [*sweep.differences(whole, parts), *sweep.left_over(whole), *sweep.lost_batches()]


class Soak:
    """One sweep twice: undisturbed and struck."""

    def __init__(self, folder: Path, size: Size) -> None:
        self.folder, self.size = folder, size
        self._run("data", "synth", str(folder / "data"), "--size", "64")
        experiment = _EXPERIMENT.format(root=folder / "data", cache=folder / "cache", steps=size.steps, every=EVERY)
        (folder / "experiment.yaml").write_text(experiment)
        sweep = _SWEEP.format(points=size.points, sampler=size.sampler, pruner=size.pruner)
        (folder / "sweep.yaml").write_text(sweep)
        (folder / "tmp").mkdir()

    def undisturbed(self) -> dict[str, Any]:
        """What the sweep comes to with one worker."""
        return json.loads(self._run(*self._sweep("whole")))

    def disturbed(self, seed: int) -> tuple[dict[str, Any], Counter[str]]:
        """The same with several workers that are struck, and what was struck."""
        counts = dict(self.size.strikes)
        striker = Striker(self.folder / "parts" / "work", counts, self.size.suspended, seed)
        until = time.monotonic() + self.size.limit
        command = [*self._sweep("parts"), "--workers", str(self.size.workers)]
        while True:
            with (self.folder / "output.json").open("w") as output, (self.folder / "errors.txt").open("a") as errors:
                process = self._start(command, output, errors)
                while process.poll() is None:
                    if time.monotonic() < until:
                        striker.strike(process.pid)
                    time.sleep(0.002)
            striker.release()
            if process.returncode == 0:
                break
            if not striker.stopped(process.pid):
                print((self.folder / "errors.txt").read_text()[-4000:])
                raise SystemExit(f"the sweep ended with exit code {process.returncode}")
        return json.loads((self.folder / "output.json").read_text()), striker.struck

    def differences(self, whole: dict[str, Any], parts: dict[str, Any]) -> list[str]:
        """Between two studies; the trials' values are compared to the last digit."""
        for study in (whole, parts):
            del study["mlflow_run"]
        return [f"{key}: {whole[key]} and {parts[key]}" for key in whole if whole[key] != parts[key]]

    def left_over(self, study: dict[str, Any]) -> list[str]:
        """Runs that have not ended once each as they should, and files that nobody needs any more."""
        from mlflow import MlflowClient

        client = MlflowClient(f"sqlite:///{self.folder}/parts/mlflow.db")
        experiment = client.get_experiment_by_name("rdpp")
        assert experiment is not None
        runs = client.search_runs([experiment.experiment_id], max_results=50_000)
        statuses = Counter(run.info.status for run in runs)
        leaves = Counter(
            (run.data.tags["trial"], run.data.tags["category"]) for run in runs if run.data.tags["level"] == "run"
        )
        pruned = sum(trial["state"] == "pruned" for trial in study["trials"])
        problems = []
        if statuses["RUNNING"] or statuses["FAILED"] or statuses["KILLED"] > pruned:
            problems.append(f"MLflow has {dict(statuses)}")
        finished = Counter(run.info.status for run in runs if run.data.tags["level"] != "run")
        if finished != {"FINISHED": 1 + self.size.points}:
            problems.append(f"MLflow has parents {dict(finished)}")
        if not pruned and len(leaves) != 2 * self.size.points:
            problems.append(f"MLflow has {len(leaves)} runs")
        if any(count != 1 for count in leaves.values()):
            problems.append(f"MLflow has runs more than once: {leaves}")
        for run in runs:
            problems += _doubled(client, run)
        scratch = [*(self.folder / "tmp").iterdir(), *_files(self.folder / "parts" / "work"), *_scratch(self.folder)]
        return problems + [f"left: {path.relative_to(self.folder)}" for path in scratch]

    def lost_batches(self) -> list[str]:
        """Prints how many batches strikes have cost; at most one interval and a batch each."""
        last: dict[str, int] = {}
        lost: list[int] = []
        for line in (self.folder / "batches-parts").read_text().splitlines():
            training, batch, _ = line.split()
            if int(batch) <= last.get(training, 0):
                lost.append(last[training] - int(batch) + 1)
            last[training] = int(batch)
        print(f"batches trained twice: {sum(lost)}, at most {max(lost, default=0)} by one strike")
        return [f"a strike cost {cost} batches" for cost in lost if cost > EVERY + 1]

    def _sweep(self, name: str) -> list[str]:
        stores = self.folder / name
        uris = ["--tracking-uri", f"sqlite:///{stores}/mlflow.db", "--storage", f"sqlite:///{stores}/optuna.db"]
        return ["sweep", str(self.folder / "sweep.yaml"), *uris, "--json"]

    def _run(self, *arguments: str) -> str:
        return subprocess.run(
            [sys.executable, "-m", "rdpp", *arguments], check=True, stdout=subprocess.PIPE, text=True
        ).stdout

    def _start(self, arguments: list[str], output: Any, errors: Any) -> subprocess.Popen[bytes]:
        own = {
            "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent / "counting"), os.environ.get("PYTHONPATH", "")]),
            "RDPP_SOAK_LOG": str(self.folder / "batches-parts"),
            "TMPDIR": str(self.folder / "tmp"),
            "OMP_WAIT_POLICY": "passive",
        }
        return subprocess.Popen(
            [sys.executable, "-m", "rdpp", *arguments],
            stdout=output,
            stderr=errors,
            env={**os.environ, **own},
            start_new_session=True,
        )


def _doubled(client: Any, run: Any) -> list[str]:
    """Metrics of a run that have two values at one step."""
    problems = []
    for name in run.data.metrics:
        if not name.startswith("system/") and run.data.tags["level"] == "run":
            steps = Counter(point.step for point in client.get_metric_history(run.info.run_id, name))
            problems += [f"{run.info.run_name} {name}: {n} values at step {step}" for step, n in steps.items() if n > 1]
    return problems


def _files(work: Path) -> list[Path]:
    return [path for path in work.rglob("*") if path.is_file() and path.name != "all.lock"]


def _scratch(folder: Path) -> list[Path]:
    """Files with a hidden name, or in a folder that has one: what was begun and not ended. A lock's file is none."""
    files = [path for part in ("cache", "parts") for path in (folder / part).rglob("*") if path.is_file()]
    hidden = [path for path in files if any(name.startswith(".") for name in path.relative_to(folder).parts)]
    return [path for path in hidden if path.suffix != ".lock"]


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sys.exit(main())
