"""A soak: a sweep whose workers are killed, stopped and suspended all the time must end as if nobody had touched it.

    python scripts/soak/soak.py             12 points x 2 categories, 3 workers, 22 kills (12 minutes on 2 cores)
    python scripts/soak/soak.py --cluster   20 points x 3 categories, 3 workers, 30 kills, on PostgreSQL and an MLflow
                                            server, which fail too (15 minutes)
    python scripts/soak/soak.py --short     a small one, with or without --cluster (2 minutes)

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
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from checks import left_files, lost_batches, wrong_runs
from servers import Servers, running
from strikes import PHASES, Striker

from rdpp.demo import make_categories

EVERY = 3
"""Batches between two savings of a state."""
_EXPERIMENT = """
name: soak
data: {{root: {root}, categories: {categories}, image_size: 64, cache: {cache}}}
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
    categories: tuple[str, ...] = ("bolt", "weave")
    servers: bool = False
    """Whether PostgreSQL and an MLflow server keep the study and its runs."""


SEVERAL = Size(12, 3, 24, (*((phase, 4) for phase in PHASES), ("command", 2), ("term", 5), ("stop", 3)), 50.0, 400.0)
ALONE = Size(9, 1, 24, (*((phase, 2) for phase in PHASES), ("term", 2)), 50.0, 200.0, sampler="tpe", pruner="halving")
CLUSTER = Size(
    20,
    3,
    12,
    (
        *((phase, 6) for phase in PHASES),
        ("stop", 5),
        ("postgres restarts", 1),
        ("postgres dies", 1),
        ("mlflow away", 2),
    ),
    15.0,
    600.0,
    categories=("bolt", "speckle", "weave"),
    servers=True,
)
SHORT_CLUSTER = Size(
    3,
    2,
    12,
    (("training", 1), ("logging", 1), ("claiming", 1), ("stop", 1), ("postgres dies", 1), ("mlflow away", 1)),
    12.0,
    90.0,
    servers=True,
)
SHORT = Size(3, 2, 12, (*((phase, 1) for phase in PHASES), ("term", 1), ("stop", 1)), 6.0, 80.0)


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="a small one")
    parser.add_argument("--cluster", action="store_true", help="on PostgreSQL and an MLflow server")
    parser.add_argument("--seed", type=int, default=0, help="of when is struck (%(default)s)")
    options = parser.parse_args()
    if options.cluster:
        sizes = [SHORT_CLUSTER if options.short else CLUSTER]
    else:
        sizes = [SHORT] if options.short else [SEVERAL, ALONE]
    problems = [problem for size in sizes for problem in soak(size, options.seed)]
    for problem in problems:
        print(f"PROBLEM: {problem}")
    print("nothing was lost" if not problems else f"{len(problems)} problems")
    return 1 if problems else 0


def soak(size: Size, seed: int) -> list[str]:
    """What is wrong after one sweep was struck."""
    print(
        f"{size.points} points x {len(size.categories)} categories, {size.workers} workers, sampler {size.sampler}, "
        f"pruner {size.pruner}{', PostgreSQL and an MLflow server' if size.servers else ''}"
    )
    with tempfile.TemporaryDirectory(prefix="soak-") as name, ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL's own account has to come in
        servers = stack.enter_context(running(folder / "servers")) if size.servers else None
        sweep = Soak(folder, size, servers)
        began = time.monotonic()
        whole = sweep.undisturbed()
        print(f"undisturbed, on sqlite: {time.monotonic() - began:.0f} s", flush=True)
        began = time.monotonic()
        parts, struck = sweep.disturbed(seed)
        print(f"disturbed: {time.monotonic() - began:.0f} s; struck: {dict(struck)}", flush=True)
        return [*sweep.differences(whole, parts), *sweep.wrong(whole)]


class Soak:
    """One sweep twice: undisturbed and struck."""

    def __init__(self, folder: Path, size: Size, servers: Servers | None) -> None:
        self.folder, self.size, self.servers = folder, size, servers
        self.work = folder / "parts" / ("runs/work" if servers else "work")
        make_categories(folder / "data", size=64, train_good=24, test_good=4, per_defect=2)
        experiment = _EXPERIMENT.format(
            root=folder / "data",
            cache=folder / "cache",
            categories=list(size.categories),
            steps=size.steps,
            every=EVERY,
        )
        (folder / "experiment.yaml").write_text(experiment)
        sweep = _SWEEP.format(points=size.points, sampler=size.sampler, pruner=size.pruner)
        (folder / "sweep.yaml").write_text(sweep)
        for name in ("tmp", "parts"):
            (folder / name).mkdir()

    def undisturbed(self) -> dict[str, Any]:
        """What the sweep comes to with one worker and sqlite."""
        return json.loads(self._run(*self._sweep(self._sqlite("whole"))))

    def disturbed(self, seed: int) -> tuple[dict[str, Any], Counter[str]]:
        """The same with several workers that are struck, and what was struck."""
        counts = dict(self.size.strikes)
        acts = self.servers.acts() if self.servers else {}
        striker = Striker(self.work, counts, self.size.suspended, seed, acts)
        until = time.monotonic() + self.size.limit
        command = [*self._sweep(self._stores()), "--workers", str(self.size.workers)]
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

    def wrong(self, study: dict[str, Any]) -> list[str]:
        """What the struck sweep has left that it should not."""
        tracking_uri, _ = self._stores()
        return [
            *wrong_runs(tracking_uri, study, len(self.size.categories)),
            *left_files(self.folder, self.folder / "parts", self.work),
            *lost_batches(self.folder / "batches-parts", EVERY + 1),
        ]

    def _stores(self) -> tuple[str, str]:
        """MLflow's and Optuna's of the struck sweep."""
        return (self.servers.tracking_uri, self.servers.storage) if self.servers else self._sqlite("parts")

    def _sqlite(self, name: str) -> tuple[str, str]:
        return f"sqlite:///{self.folder}/{name}/mlflow.db", f"sqlite:///{self.folder}/{name}/optuna.db"

    def _sweep(self, stores: tuple[str, str]) -> list[str]:
        tracking_uri, storage = stores
        return [
            "sweep",
            str(self.folder / "sweep.yaml"),
            "--tracking-uri",
            tracking_uri,
            "--storage",
            storage,
            "--json",
        ]

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
            cwd=self.folder / "parts",
            env={**os.environ, **own},
            start_new_session=True,
        )


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sys.exit(main())
