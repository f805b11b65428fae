"""A soak: a sweep whose workers are killed, stopped and suspended all the time must end as if nobody had touched it.

    python scripts/soak/soak.py                12 points x 2 categories, 3 workers, 22 kills; and one worker that is
                                               killed (12 minutes on 2 cores)
    python scripts/soak/soak.py --on servers   20 points x 3 categories, 3 workers, 30 kills, on PostgreSQL and an
                                               MLflow server, which fail too (15 minutes)
    python scripts/soak/soak.py --short        a small one; `--on both` for one after the other (4 minutes)

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
_LOOK = 0.01
"""Seconds between two looks at what the workers do."""
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
class Sweep:
    """What is swept."""

    points: int
    steps: int
    sampler: str = "random"
    """Its points are the same in whichever order trials end."""
    pruner: str = "none"
    categories: tuple[str, ...] = ("bolt", "weave")

    def write(self, folder: Path) -> Path:
        """Its file, in a folder of its own beside the data."""
        file = folder / "sweeps" / f"{self.sampler}-{self.pruner}" / "sweep.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        experiment = _EXPERIMENT.format(
            root=folder / "data",
            cache=folder / "cache",
            categories=list(self.categories),
            steps=self.steps,
            every=EVERY,
        )
        (file.parent / "experiment.yaml").write_text(experiment)
        file.write_text(_SWEEP.format(points=self.points, sampler=self.sampler, pruner=self.pruner))
        return file


@dataclass(frozen=True)
class Soak:
    """How a sweep is struck."""

    name: str
    sweep: Sweep
    workers: int
    strikes: tuple[tuple[str, int], ...]
    """How often each phase is struck by SIGKILL, and how many SIGTERMs and SIGSTOPs there are."""
    suspended: float
    """Seconds that a SIGSTOP lasts."""
    limit: float
    """Seconds after which nothing is struck any more."""
    servers: bool = False
    """Whether PostgreSQL and an MLflow server keep the study and its runs."""

    def __str__(self) -> str:
        return (
            f"{self.sweep.points} points x {len(self.sweep.categories)} categories, {self.workers} workers, "
            f"sampler {self.sweep.sampler}, pruner {self.sweep.pruner}"
            f"{', PostgreSQL and an MLflow server' if self.servers else ''}"
        )


_SMALL = Sweep(3, 12)
_FAILING = (("postgres restarts", 1), ("postgres dies", 1), ("mlflow away", 2))
SEVERAL = Soak(
    "several",
    Sweep(12, 15),
    3,
    (*((phase, 4) for phase in PHASES), ("command", 2), ("term", 5), ("stop", 3)),
    suspended=50.0,
    limit=400.0,
)
ALONE = Soak(
    "alone",
    Sweep(8, 15, sampler="tpe", pruner="halving"),
    1,
    (*((phase, 2) for phase in PHASES), ("term", 2)),
    suspended=50.0,
    limit=200.0,
)
CLUSTER = Soak(
    "servers",
    Sweep(20, 12, categories=("bolt", "speckle", "weave")),
    3,
    (*((phase, 6) for phase in PHASES), ("stop", 5), *_FAILING),
    suspended=15.0,
    limit=600.0,
    servers=True,
)
SHORT = Soak(
    "short", _SMALL, 2, (*((phase, 1) for phase in PHASES), ("term", 1), ("stop", 1)), suspended=6.0, limit=80.0
)
SHORT_CLUSTER = Soak(
    "short-servers",
    _SMALL,
    2,
    (("training", 1), ("logging", 1), ("claiming", 1), ("stop", 1), ("postgres dies", 1), ("mlflow away", 1)),
    suspended=12.0,
    limit=90.0,
    servers=True,
)


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="a small one")
    parser.add_argument("--on", choices=("sqlite", "servers", "both"), default="sqlite", help="(%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of when is struck (%(default)s)")
    options = parser.parse_args()
    known = [SHORT, SHORT_CLUSTER] if options.short else [SEVERAL, ALONE, CLUSTER]
    soaks = [soak for soak in known if options.on in ("both", "servers" if soak.servers else "sqlite")]
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL's own account has to come in
        make_categories(folder / "data", size=64, train_good=24, test_good=4, per_defect=2)
        began = time.monotonic()
        wholes = undisturbed(folder, {soak.sweep for soak in soaks})
        print(f"undisturbed, on sqlite: {time.monotonic() - began:.0f} s", flush=True)
        problems = [problem for soak in soaks for problem in struck(folder, soak, wholes[soak.sweep], options.seed)]
    for problem in problems:
        print(f"PROBLEM: {problem}")
    print("nothing was lost" if not problems else f"{len(problems)} problems")
    return 1 if problems else 0


def undisturbed(folder: Path, sweeps: set[Sweep]) -> dict[Sweep, dict[str, Any]]:
    """What each sweep comes to on sqlite; all of them at the same time. Two workers where they change nothing."""
    processes = {}
    for number, sweep in enumerate(sweeps):
        own = folder / f"whole-{number}"
        workers = "2" if sweep.sampler == "random" and sweep.pruner == "none" else "1"
        command = _command(sweep.write(folder), *_sqlite(own), "--workers", workers)
        processes[sweep] = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    outputs = {sweep: process.communicate()[0] for sweep, process in processes.items()}
    assert not any(process.returncode for process in processes.values()), "an undisturbed sweep failed"
    return {sweep: json.loads(output) for sweep, output in outputs.items()}


def struck(folder: Path, soak: Soak, whole: dict[str, Any], seed: int) -> list[str]:
    """What is wrong after a sweep was struck.

    Args:
        folder: with the data.
        soak: which.
        whole: what the sweep comes to if nobody disturbs it.
        seed: of when is struck.
    """
    print(soak, flush=True)
    own = folder / soak.name
    (own / "tmp").mkdir(parents=True)
    (own / "parts").mkdir()
    with ExitStack() as stack:
        servers = stack.enter_context(running(own / "servers")) if soak.servers else None
        began = time.monotonic()
        parts, counted = _disturbed(folder, own, soak, servers, seed)
        print(f"disturbed: {time.monotonic() - began:.0f} s; struck: {dict(counted)}", flush=True)
        tracking_uri = _stores(own, servers)[0]
        database = servers.postgres.url("mlflow") if servers else tracking_uri
        return [
            *_differences(_without_ids(whole), _without_ids(parts)),
            *wrong_runs(tracking_uri, database, whole, len(soak.sweep.categories)),
            *left_files(own / "tmp", folder / "cache", own / "parts", _work(own, servers)),
            *lost_batches(own / "batches", EVERY + 1),
        ]


def _without_ids(study: dict[str, Any]) -> dict[str, Any]:
    """What a sweep came to, but for the ids that MLflow gave its runs."""
    best = {key: value for key, value in study["best"].items() if key != "model"}
    return {**study, "mlflow_run": None, "best": best}


def _differences(whole: dict[str, Any], parts: dict[str, Any]) -> list[str]:
    return [f"{key}: {whole[key]} and {parts[key]}" for key in whole if whole[key] != parts[key]]


def _disturbed(
    folder: Path, own: Path, soak: Soak, servers: Servers | None, seed: int
) -> tuple[dict[str, Any], Counter[str]]:
    """The sweep's result, and what was struck."""
    acts = servers.acts() if servers else {}
    striker = Striker(_work(own, servers), dict(soak.strikes), soak.suspended, seed, acts)
    until = time.monotonic() + soak.limit
    command = _command(soak.sweep.write(folder), *_stores(own, servers), "--workers", str(soak.workers))
    while True:
        with (own / "output.json").open("w") as output, (own / "errors.txt").open("a") as errors:
            process = _started(own, command, output, errors)
            while process.poll() is None:
                if time.monotonic() < until:
                    striker.strike(process.pid)
                else:
                    striker.release()
                time.sleep(_LOOK)
        striker.release()
        if process.returncode == 0:
            break
        if not striker.stopped(process.pid):
            print((own / "errors.txt").read_text()[-4000:])
            raise SystemExit(f"the sweep ended with exit code {process.returncode}")
    return json.loads((own / "output.json").read_text()), striker.struck


def _work(own: Path, servers: Servers | None) -> Path:
    """The work folder of the struck sweep."""
    return own / "parts" / ("runs/work" if servers else "work")


def _stores(own: Path, servers: Servers | None) -> tuple[str, str]:
    """MLflow's and Optuna's of the struck sweep."""
    return (servers.tracking_uri, servers.storage) if servers else _sqlite(own / "parts")


def _sqlite(folder: Path) -> tuple[str, str]:
    return f"sqlite:///{folder}/mlflow.db", f"sqlite:///{folder}/optuna.db"


def _command(file: Path, tracking_uri: str, storage: str, *flags: str) -> list[str]:
    stores = ["--tracking-uri", tracking_uri, "--storage", storage]
    return [sys.executable, "-m", "rdpp", "sweep", str(file), *stores, "--json", *flags]


def _started(own: Path, command: list[str], output: Any, errors: Any) -> subprocess.Popen[bytes]:
    """The command, whose workers note each batch."""
    environment = {
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent / "counting"), os.environ.get("PYTHONPATH", "")]),
        "RDPP_SOAK_LOG": str(own / "batches"),
        "TMPDIR": str(own / "tmp"),
        "OMP_WAIT_POLICY": "passive",
    }
    return subprocess.Popen(
        command,
        stdout=output,
        stderr=errors,
        cwd=own / "parts",
        env={**os.environ, **environment},
        start_new_session=True,
    )


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sys.exit(main())
