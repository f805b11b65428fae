"""A finished run, trained once more: whether its final values are equal, else what differs."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mlflow.exceptions import MlflowException

from rdpp.addresses import shown
from rdpp.config import ConfigError, require
from rdpp.deploy.commit import clone_at, own_repository, recorded_commit, train_with
from rdpp.deploy.differences import DataChange, Difference, added_files, data_change, other_differences, parse_manifest
from rdpp.deploy.replay_worker import train_again
from rdpp.engine import Observer, RunSpec
from rdpp.experiment import ExperimentConfig
from rdpp.tracking.conventions.artifacts import CONFIGURATION, MANIFEST
from rdpp.tracking.conventions.metric_names import COUNTS, final_metrics, is_final
from rdpp.tracking.conventions.names import to_key
from rdpp.tracking.conventions.tags import LEVEL, is_run
from rdpp.tracking.reading.recorded import configuration_data
from rdpp.tracking.store.listing import StoredRun
from rdpp.tracking.store.mlflow_store import Store

CUDA_TOLERANCE = 0.01
"""Difference of a metric that counts as equal on a GPU by default: its sums have no fixed order."""
_PACKAGE = Path(__file__).parents[1]


@dataclass(frozen=True, kw_only=True)
class ReplayOptions:
    """How a run is replayed."""

    tracking_uri: str | None = None
    data: str | None = None
    """Folder of the data set, where it has moved."""
    device: str | None = None
    threads: int | None = None
    """Instead of those that were recorded."""
    tolerance: float | None = None
    """None: 0 on a CPU, `CUDA_TOLERANCE` on a GPU."""
    at_commit: bool = False
    repository: str | None = None
    """A path or URL to be cloned, by default the one that this package lies in."""
    changed_data: bool = False
    """Whether to train although the data has changed."""

    def changes(self) -> dict[str, Any]:
        """Overrides of the recorded configuration."""
        given = {"data.root": self.data, "device": self.device, "threads": self.threads}
        return {path: value for path, value in given.items() if value is not None}


@dataclass(frozen=True)
class Replayed:
    """What a replay came to."""

    run_id: str
    differences: tuple[Difference, ...]
    """Known before training."""
    recorded: Mapping[str, float]
    now: Mapping[str, float] | None
    """None where it was not trained, because the data has changed."""
    tolerance: float

    @property
    def unequal(self) -> tuple[str, ...]:
        """Names of final values that are not equal, or that one of the two lacks."""
        if self.now is None:
            return ()
        names = dict.fromkeys([*self.recorded, *self.now])
        return tuple(name for name in names if not self._is_equal(name, self.recorded.get(name), self.now.get(name)))

    @property
    def equal(self) -> bool:
        """Whether all final values are equal, within the tolerance."""
        return self.now is not None and not self.unequal

    def _is_equal(self, name: str, recorded: float | None, now: float | None) -> bool:
        if recorded is None or now is None:
            return False
        return recorded == now or (name not in COUNTS and abs(recorded - now) <= self.tolerance)

    def verdict(self) -> str:
        """One line."""
        why = "; ".join(map(str, self.differences))
        if self.now is None:
            return f"DIFFERENT, not trained: {why}; --changed-data trains on the data as it is now"
        exactly = f"within {self.tolerance:g}" if self.tolerance else "to the last digit"
        if self.equal:
            though = f", though these differ: {why}" if why else ""
            return f"EQUAL: all {len(self.recorded)} final values {exactly}{though}"
        cause = f"what differs: {why}" if why else "nothing that was recorded differs, so it is what was not recorded"
        return f"DIFFERENT: {len(self.unequal)} of {len(self.recorded)} final values are not equal {exactly}; {cause}"


def replay(
    run_id: str, options: ReplayOptions, observers: Sequence[Observer] = (), tell: Callable[[str], None] = print
) -> Replayed:
    """Train a finished run of MLflow once more, and compare. Nothing in MLflow changes.

    Args:
        run_id: of one category and seed.
        options: how.
        observers: of the training; at a commit it has none.
        tell: is given lines for a person, before the training.

    Raises:
        ConfigError: no such run, or one that cannot be replayed here.
    """
    require(options.tolerance is None or options.tolerance >= 0, f"--tolerance is at least 0, got {options.tolerance}")
    store = Store(options.tracking_uri, create=False)
    tags, recorded = _finished(store, run_id)
    configuration = configuration_data(store, run_id)
    name = f"{CONFIGURATION} of the run {run_id}"
    now = ExperimentConfig.from_mapping(configuration, name).with_overrides(options.changes())
    manifest = parse_manifest(_text(store, run_id, MANIFEST))
    with tempfile.TemporaryDirectory(prefix="rdpp-replay-") as folder:
        package = _package(run_id, tags, options, Path(folder), tell)
        data = data_change(manifest, Path(now.data.root))
        spec = _on_data_of_now(now, data, tell)
        if spec is not None:
            data = DataChange(data.changed, data.missing, added_files(manifest, spec.category))
        found = [data.difference(len(manifest))] if data else []
        found += [] if spec is None else other_differences(tags, spec, package)
        for difference in found:
            tell(f"differs: {difference}")
        values = None
        if not data or options.changed_data:
            values = _train(package, configuration, options.changes(), observers, Path(folder))
    return Replayed(run_id, tuple(found), recorded, values, _tolerance(options, now))


def _on_data_of_now(now: ExperimentConfig, data: DataChange, tell: Callable[[str], None]) -> RunSpec | None:
    """The run as it would be trained; None where files are missing and the rest cannot be trained on: that is told."""
    try:
        return RunSpec.of(now, now.data.categories[0], now.seeds[0])
    except ConfigError as error:
        if not data.missing:
            raise
        tell(f"the data cannot be trained on as it is now: {error}")
        return None


def _train(
    package: Path, recorded: dict[str, Any], changes: dict[str, Any], observers: Sequence[Observer], scratch: Path
) -> dict[str, float]:
    """With this package in this process, or with another in one of its own."""
    if package == _PACKAGE:
        values = train_again(recorded, changes, observers)
    else:
        apart = {**changes, "data.cache": str(scratch / "cache")}
        values = train_with(package, recorded, apart, scratch)
    return {to_key(name): float(value) for name, value in final_metrics(**values).items()}


def _package(
    run_id: str, tags: Mapping[str, str], options: ReplayOptions, scratch: Path, tell: Callable[[str], None]
) -> Path:
    """The package that trains: this one, or that of the recorded commit."""
    if not options.at_commit:
        require(options.repository is None, "--repository is for --at-commit; give both, or neither")
        return _PACKAGE
    commit = recorded_commit(run_id, tags)
    if tags.get("git_dirty") == "true":
        tell(f"the run was trained with uncommitted changes on top of commit {commit}, which nobody has recorded")
    return clone_at(commit, options.repository or own_repository(), scratch / "repository")


def _finished(store: Store, run_id: str) -> tuple[dict[str, str], dict[str, float]]:
    """Tags and final values of a finished run."""
    try:
        run = store.client.get_run(run_id)
    except MlflowException:
        raise ConfigError(f"no run {run_id} in {shown(store.uri)}; give its store with --tracking-uri") from None
    require(
        is_run(run.data.tags) and run.info.status == "FINISHED",
        f"{run_id} is no finished run of one category and seed (level {run.data.tags.get(LEVEL)}, "
        f"{run.info.status}); give the id of one",
    )
    return run.data.tags, {key: value for key, value in StoredRun.of(run).metrics.items() if is_final(key)}


def _text(store: Store, run_id: str, name: str) -> str:
    with tempfile.TemporaryDirectory(prefix="rdpp-") as scratch:
        try:
            return Path(store.client.download_artifacts(run_id, name, scratch)).read_text()
        except (MlflowException, OSError):
            raise ConfigError(f"the run {run_id} has no {name}, so its data cannot be compared") from None


def _tolerance(options: ReplayOptions, experiment: ExperimentConfig) -> float:
    if options.tolerance is not None:
        return options.tolerance
    return CUDA_TOLERANCE if torch.device(experiment.device).type == "cuda" else 0.0
