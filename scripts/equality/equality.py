"""Show that a change of the code changes no result: train a fixed list of small runs, and compare with another record.

    python scripts/equality/equality.py record FOLDER              # about 8 minutes; --only NAME ... records a part
    python scripts/equality/equality.py compare BEFORE AFTER       # equal to the last digit, or exit code 1
    python scripts/equality/equality.py compare BEFORE AFTER --maps 1e-6

Record before a change and after it, on the same machine and installation. The runs take every loss, every noise and
every selection at least once, RD and RD++, the built-in teacher and a random ResNet18; a sweep with each pruner; an
ablation of three variants, two categories and two seeds. The script uses the command line and the MLflow store only,
so that it outlives any change of the code between them.

With --maps the anomaly maps may differ by that much, and so may what follows from them: the metrics' largest change and
the epochs whose choice changed are listed. Losses and final weights must be equal all the same.
"""

import argparse
import contextlib
import hashlib
import io
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from runs import ABLATION, BASE, RUNS, SPACE, SWEEPS

_OF_THE_MACHINE = (
    *("seconds", "images_per_second", "peak_memory_mb"),  # up to schema 3
    *("training/seconds", "training/images_per_second", "training/peak_memory_mb", "system/", "time_share/"),
)
"""Metrics that no two runs share, by the start of their names."""


def main() -> int:
    """Record, or compare."""
    parser = argparse.ArgumentParser(description="Show that a change of the code changes no result.")
    actions = parser.add_subparsers(dest="action", required=True)
    record = actions.add_parser("record")
    record.add_argument("folder", type=Path)
    record.add_argument("--only", nargs="+", metavar="NAME", help="of the plain runs, sweeps, and `ablation`")
    comparing = actions.add_parser("compare")
    comparing.add_argument("before", type=Path)
    comparing.add_argument("after", type=Path)
    comparing.add_argument("--maps", type=float, default=0.0, metavar="TOLERANCE")
    comparing.add_argument("--common", action="store_true", help="only the runs that both have")
    options = parser.parse_args()
    if options.action == "record":
        return record_all(options.folder, options.only)
    differences = compare(options.before, options.after, options.maps, common=options.common)
    for line in differences:
        print(line)
    print(f"{len(differences)} differences" if differences else "equal")
    return int(bool(differences))


def record_all(folder: Path, only: list[str] | None) -> int:
    """Train everything in a folder of its own, and write runs.json, studies.json and maps.npz."""
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="rdpp-equality-") as scratch, contextlib.chdir(scratch):
        base = write("base.yaml", {"name": "base", **BASE, "data": {**BASE["data"], "root": "data", "cache": "cache"}})
        rdpp("data", "synth", "data", "--size", "64")
        studies, runs, maps = {}, {}, {}
        for name in [*RUNS, *SWEEPS, "ablation"] if only is None else only:
            uri = new_store(name)
            if name in RUNS:
                changes = {**RUNS[name], "name": name, "keep_maps": True}
                rdpp("train", base, "--json", "--tracking-uri", uri, *sets(changes))
            elif name in SWEEPS:
                path = write(f"{name}.yaml", {"name": name, "experiment": base, "space": SPACE, **SWEEPS[name]})
                studies[name] = json.loads(rdpp("sweep", path, "--json", "--tracking-uri", uri))
            else:
                path = write("ablation.yaml", {"name": "ablation", "experiment": base, **ABLATION})
                rdpp("ablate", path, "--json", "--tracking-uri", uri)
            read_store(uri, runs, maps)
    for study in studies.values():
        del study["mlflow_run"]
    (folder / "runs.json").write_text(json.dumps(runs, indent=1, sort_keys=True))
    (folder / "studies.json").write_text(json.dumps(studies, indent=1, sort_keys=True))
    np.savez_compressed(folder / "maps.npz", **maps)  # type: ignore[arg-type]
    killed = [name for name in runs if runs[name]["status"] == "KILLED"]
    print(f"{len(runs)} runs in {folder}, {len(killed)} of them given up by a pruner")
    return 0


def rdpp(*arguments: str) -> str:
    """Run one command in this process.

    Returns:
        What it printed.
    """
    from rdpp.cli import main as command

    print("rdpp", *arguments, file=sys.stderr, flush=True)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        code = command(arguments)
    assert code == 0, f"rdpp {' '.join(arguments)} ended with {code}"
    return printed.getvalue()


def sets(changes: Mapping[str, Any]) -> list[str]:
    """Changes as flags."""
    return [flag for path, value in changes.items() for flag in ("--set", f"{path}={json.dumps(value)}")]


def write(name: str, mapping: Mapping[str, Any]) -> str:
    """Write a YAML file; returns its absolute path."""
    Path(name).write_text(yaml.safe_dump(dict(mapping), sort_keys=False))
    return str(Path(name).absolute())


def new_store(name: str) -> str:
    """The URI of an MLflow store of its own for each command, so that none meets what another has trained.

    Making one takes seconds: an empty one is made once and copied.
    """
    from mlflow import MlflowClient

    empty = Path("empty.db")
    if not empty.is_file():
        MlflowClient(f"sqlite:///{empty.absolute()}").search_experiments()
    path = Path("runs") / f"{name}.db"
    path.parent.mkdir(exist_ok=True)
    shutil.copy(empty, path)
    return f"sqlite:///{path.absolute()}"


def read_store(uri: str, runs: dict[str, Any], maps: dict[str, np.ndarray]) -> None:
    """Add every run that trained a network, by its place in the tree: losses, metrics, digest of the weights; its
    maps."""
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    found = list(_pages(client))
    by_id = {run.info.run_id: run for run in found}
    for run in found:
        if run.data.tags.get("level") != "run":
            continue
        place = _place(run, by_id)
        assert place not in runs, f"two runs at {place}"
        names = [name for name in run.data.metrics if not name.startswith(_OF_THE_MACHINE)]
        series = {name: _series(client, run.info.run_id, name) for name in names}
        runs[place] = {
            "status": run.info.status,
            "dead_terms": run.data.tags.get("dead_terms"),
            "losses": {name: values for name, values in series.items() if name.startswith(("loss/", "loss_weighted/"))},
            "weights": None,
            "metrics": {name: v for name, v in series.items() if not name.startswith(("loss/", "loss_weighted/"))},
        }
        _add_artifacts(client, run.info.run_id, place, runs, maps)


def _pages(client: Any) -> Iterator[Any]:
    token = None
    while True:
        page = client.search_runs([client.get_experiment_by_name("rdpp").experiment_id], page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _place(run: Any, by_id: Mapping[str, Any]) -> str:
    above = run.data.tags.get("mlflow.parentRunId")
    return f"{_place(by_id[above], by_id)}/{run.info.run_name}" if above else run.info.run_name


def _series(client: Any, run_id: str, name: str) -> list[list[float]]:
    return sorted([point.step, point.value] for point in client.get_metric_history(run_id, name))


def _add_artifacts(client: Any, run_id: str, place: str, runs: dict[str, Any], maps: dict[str, np.ndarray]) -> None:
    from safetensors.numpy import load_file

    names = {artifact.path for artifact in client.list_artifacts(run_id)}
    with tempfile.TemporaryDirectory() as scratch:
        if "checkpoint" in names:
            checkpoint = Path(client.download_artifacts(run_id, "checkpoint", scratch))
            runs[place]["weights"] = digest_of(load_file(checkpoint / "last.safetensors"))
        if "anomaly_maps.safetensors" in names:
            path = client.download_artifacts(run_id, "anomaly_maps.safetensors", scratch)
            maps[place] = load_file(path)["anomaly_maps"]


def compare(before: Path, after: Path, tolerance: float, *, common: bool) -> list[str]:
    """One line a difference; `common`: of the runs and studies that both have."""
    old, new = (json.loads((folder / "runs.json").read_text()) for folder in (before, after))
    either = [] if common else sorted(old.keys() ^ new.keys())
    lines = [f"{place}: only in {before if place in old else after}" for place in either]
    largest: dict[str, float] = {}
    for place in sorted(old.keys() & new.keys()):
        for key in ("status", "dead_terms", "weights", "losses"):
            if old[place][key] != new[place][key]:
                lines.append(f"{place}: other {key}{_first_other(old[place][key], new[place][key])}")
        if not tolerance and old[place]["metrics"] != new[place]["metrics"]:
            lines.append(f"{place}: other metrics{_first_other(old[place]['metrics'], new[place]['metrics'])}")
        elif tolerance:
            _note_changes(place, old[place]["metrics"], new[place]["metrics"], largest)
    for name, change in sorted(largest.items(), key=lambda item: -item[1])[:12]:
        print(f"largest change of {name}: {change:.2e}")
    lines += _other_maps(before, after, tolerance)
    studies, others = (json.loads((folder / "studies.json").read_text()) for folder in (before, after))
    for name in () if tolerance else sorted(studies.keys() & others.keys()):
        lines += [] if studies[name] == others[name] else [f"another study {name} (studies.json)"]
    print(f"{len(old.keys() & new.keys())} runs compared")
    return lines


def _first_other(old: Any, new: Any) -> str:
    if not isinstance(old, dict) or not isinstance(new, dict):
        return f": {old}, {new}"
    name = next(name for name in sorted(old.keys() | new.keys()) if old.get(name) != new.get(name))
    pairs = zip(old.get(name, []), new.get(name, []), strict=False)
    return f": {name}, {next((pair for pair in pairs if pair[0] != pair[1]), 'missing points')}"


def _note_changes(place: str, old: Mapping[str, Any], new: Mapping[str, Any], largest: dict[str, float]) -> None:
    """Print chosen epochs that differ; keep the largest change of each other metric."""
    for name in sorted(old.keys() & new.keys()):
        if name.endswith("chosen_epoch") and old[name] != new[name]:
            print(f"{place}: chose epoch {old[name][0][1]:.0f} before, {new[name][0][1]:.0f} after")
        before, after = dict(old[name]), dict(new[name])
        changes = [abs(before[step] - after[step]) for step in before.keys() & after.keys()]
        largest[name] = max([largest.get(name, 0.0), *changes])


def _other_maps(before: Path, after: Path, tolerance: float) -> list[str]:
    with np.load(before / "maps.npz") as old, np.load(after / "maps.npz") as new:
        errors = {
            place: float(np.abs(old[place] - new[place]).max()) if old[place].shape == new[place].shape else np.inf
            for place in sorted(set(old.files) & set(new.files))
        }
    print(f"largest difference of {len(errors)} sets of maps: {max(errors.values(), default=0.0):.2e}")
    return [f"{place}: maps differ by {error:.2e}" for place, error in errors.items() if error > tolerance]


def digest_of(tensors: Mapping[str, np.ndarray]) -> str:
    """SHA-256 of names and contents."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(name.encode() + np.ascontiguousarray(tensor).tobytes())
    return digest.hexdigest()


if __name__ == "__main__":
    sys.exit(main())
