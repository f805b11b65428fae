"""Show that a run may be stopped after any batch and continued by another process without changing its result.

    python scripts/equality/resume.py [--only NAME ...]            # about 8 minutes

Each run of equality_runs.py is trained whole; then it is stopped after its first, second, middle and last but one
batch, and its state is written. Another process reads the states and goes on. Weights and metrics must be equal to the
last digit.
"""

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from equality import digest_of, rdpp
from runs import BASE, RUNS


def main() -> int:
    """Stop, continue, compare."""
    parser = argparse.ArgumentParser(description="Show that a run may be stopped and continued.")
    parser.add_argument("--only", nargs="+", metavar="NAME", default=list(RUNS), choices=list(RUNS))
    parser.add_argument("--go-on", type=Path, metavar="FOLDER", help="what the other process is given")
    options = parser.parse_args()
    return go_on(options.go_on) if options.go_on else resume_all(options.only)


class _Stopped(Exception):
    """Ends a run after its state was written."""


def resume_all(names: list[str]) -> int:
    """Train each run whole, and in parts by two processes."""
    with tempfile.TemporaryDirectory(prefix="rdpp-equality-") as scratch:
        folder = Path(scratch)
        with contextlib.chdir(folder):
            rdpp("data", "synth", "data", "--size", "64")
            expected = {name: stop_everywhere(name, folder) for name in names}
        command = [sys.executable, __file__, "--go-on", str(folder)]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    bad = 0
    for state, result in found.items():
        same = result == expected[state.split("@")[0]]
        bad += not same
        print(f"{state.replace('@', ', stopped after batch ')}: {'equal' if same else 'OTHER RESULT'}")
    print(f"{len(found) - bad} of {len(found)} equal")
    return int(bad > 0)


def stop_everywhere(name: str, folder: Path) -> Any:
    """What a run comes to, after its states in the middle were written to folders NAME@BATCH."""
    spec = the_run(name, folder)
    whole, batches = trained(spec)
    for batch in sorted({1, 2, (batches + 1) // 2, batches - 1}):
        with contextlib.suppress(_Stopped):
            trained(spec, after_batch=stop_after(batch, folder / "states" / f"{name}@{batch}"))
    return whole


def stop_after(batch: int, folder: Path) -> Any:
    """For `train`: write the state after this batch and end."""

    def after_batch(pause: Any) -> None:
        if pause.state.batch == batch:
            pause.save(folder)
            raise _Stopped

    return after_batch


def go_on(folder: Path) -> int:
    """Continue every state of a folder, and print what each run came to."""
    states = sorted((folder / "states").iterdir())
    found = {state.name: trained(the_run(state.name.split("@")[0], folder), resume=state)[0] for state in states}
    print(json.dumps(found))
    return 0


def the_run(name: str, folder: Path) -> Any:
    """The first run of a list entry."""
    from rdpp.engine import grid
    from rdpp.experiment import ExperimentConfig

    data = {**BASE["data"], "root": str(folder / "data"), "cache": str(folder / "cache")}
    base = ExperimentConfig.from_mapping({"name": name, **BASE, "data": data}, name)
    return grid(base.with_overrides(RUNS[name]))[0]


def trained(spec: Any, **how: Any) -> tuple[Any, int]:
    """Metrics and digest of the final weights as plain data, and the number of batches."""
    from rdpp.engine import EpochFinished, train

    weights: list[str] = []

    def keep(event: Any) -> None:
        if isinstance(event, EpochFinished) and event.last:
            weights.append(digest_of({name: v.cpu().numpy() for name, v in event.network.state_dict().items()}))

    result = train(spec, observers=[keep], **how)
    found = {"weights": weights, "epoch": result.epoch, "test": dict(result.evaluation.metrics)}
    found |= {"held_out": result.held_out and dict(result.held_out.metrics), "audit": result.audit}
    return json.loads(json.dumps(found).replace("NaN", "null")), result.steps


if __name__ == "__main__":
    sys.exit(main())
