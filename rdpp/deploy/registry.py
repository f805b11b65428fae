"""`rdpp register`: a trained network as a version of a registered model, and an alias that goes to the better one."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlflow.entities import LoggedModel
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from rdpp.config import ConfigError, require
from rdpp.deploy.registered import add_version, logged_model
from rdpp.deploy.source import only_run
from rdpp.engine import Checkpoint, read_checkpoint
from rdpp.tracking.conventions.metric_names import SELECTED
from rdpp.tracking.conventions.names import to_key
from rdpp.tracking.conventions.tags import TRAIN_MANIFEST
from rdpp.tracking.reading.checkpoints import downloaded, is_run_id
from rdpp.tracking.reading.recorded import (
    best_trial,
    configuration,
    refuse_unknown,
    run_with_checkpoint,
    studies_and_ablations,
)
from rdpp.tracking.store.listing import StoredRun
from rdpp.tracking.store.mlflow_store import Store

OBJECTIVE = ("image_auroc", "pixel_aupro")
"""Of a run that belongs to no study: a sweep's default."""


@dataclass(frozen=True)
class Registered:
    """What `register` did."""

    name: str
    version: str
    run_id: str
    category: str
    seed: int
    epoch: int
    alias: str | None
    """That was asked for."""
    moved: bool
    """Whether the alias is at this version now."""
    before: str | None
    """The version that had the alias."""
    objective: tuple[str, ...]
    """Metrics; their mean on the held-out images is compared."""
    value: float | None
    """None where no images were held out."""
    value_before: float | None
    """Of the version that had the alias; None where it was not compared."""

    def __str__(self) -> str:
        """In words."""
        trained = f"{self.category}, seed {self.seed}, epoch {self.epoch}, run {self.run_id}"
        lines = [f"{self.name}/{self.version}: {trained}"]
        if self.alias is not None:
            lines.append(f"{self.name}@{self.alias} {self._where()}")
        return "\n".join(lines)

    def _where(self) -> str:
        where = f"is version {self.version} now" if self.moved else f"stays at version {self.before}"
        if self.before is None:
            return f"{where}; no version had the alias"
        if self.value_before is None or self.value is None:
            return f"{where}, not {self.before}; they were not compared"
        of = f"held-out {', '.join(self.objective)}"
        why = f"{100 * self.value:.2f} against {100 * self.value_before:.2f} % ({of})"
        return f"{where}: {why}" if self.moved else f"{where}, which is as good or better: the new one has {why}"


@dataclass(frozen=True)
class _Candidate:
    run: StoredRun
    objective: tuple[str, ...]

    def value_of(self, run: StoredRun) -> float | None:
        """The objective of a run at its chosen epoch; None where no images were held out."""
        keys = [to_key(SELECTED + metric) for metric in self.objective]
        if not all(key in run.metrics for key in keys):
            return None
        return sum(run.metrics[key] for key in keys) / len(keys)


def register(
    source: str,
    name: str,
    alias: str | None = None,
    tracking_uri: str | None = None,
    *,
    force: bool = False,
    changes: Mapping[str, Any] | None = None,
) -> Registered:
    """Log a trained network with its run, and register it.

    Args:
        source: an MLflow run id, or a study (name or id), of whose best trial the first finished run with a checkpoint
            is taken.
        name: of the registered model; it is made where there is none.
        alias: moved to the new version if there is none, or if the new one is better than the version that has it.
        tracking_uri: of the MLflow store.
        force: move the alias without comparing.
        changes: settings by dotted path, such as {"teacher.weights": ...} where that file lies elsewhere now.

    Raises:
        ConfigError: nothing of that name, no checkpoint, a bad name, or a model that cannot be compared with the one
            that has the alias. Then nothing is registered.
    """
    _check_names(name, alias)
    store = Store(tracking_uri, create=False)
    candidate = _candidate(store, source)
    value = candidate.value_of(candidate.run)
    holder = _holder(store, name, alias)
    value_before = None if holder is None or force else _comparable_value(store, candidate, holder, value)
    checkpoint, logged = log_model(store, candidate.run.run_id, changes)
    version = add_version(store, logged, name, _tags(candidate, value, checkpoint))
    better = value_before is None or (value is not None and value > value_before)
    if alias is not None and better:
        store.client.set_registered_model_alias(name, alias, version.version)
    return Registered(
        name=name,
        version=str(version.version),
        run_id=candidate.run.run_id,
        category=checkpoint.category,
        seed=checkpoint.seed,
        epoch=checkpoint.epoch,
        alias=alias,
        moved=alias is not None and better,
        before=None if holder is None else str(holder.version),
        objective=candidate.objective,
        value=value,
        value_before=value_before,
    )


def log_model(store: Store, run_id: str, changes: Mapping[str, Any] | None = None) -> tuple[Checkpoint, LoggedModel]:
    """Log a run's trained network as its model, unless it has been logged; and what it was trained on.

    Raises:
        ConfigError: the run has no checkpoint, or its teacher cannot be had.
    """
    with downloaded(store, run_id) as folder:
        checkpoint = read_checkpoint(folder)
        experiment = checkpoint.experiment.with_overrides(changes or {})
        checkpoint = dataclasses.replace(checkpoint, experiment=experiment)
        return checkpoint, logged_model(store, run_id, checkpoint)


def _check_names(name: str, alias: str | None) -> None:
    require(
        re.fullmatch(r"[^/:@'\"]+", name) is not None and name.strip() == name,
        f"'{name}' is no name for a registered model; give one without / : @ and quotes",
    )
    if alias is not None:
        fits = re.fullmatch(r"[A-Za-z0-9_-]+", alias) and not re.fullmatch(r"(?i)latest|v\d+", alias)
        require(
            bool(fits),
            f"'{alias}' is no alias; give letters, digits, _ and -, but not latest or v1, which MLflow refuses",
        )


def _candidate(store: Store, source: str) -> _Candidate:
    """Which run a source means, and by what it is judged."""
    found = studies_and_ablations(store, source)
    levels = {level for level, _ in found}
    if "ablation" in levels:
        raise ConfigError(f"'{source}' is an ablation, which has no best run; give the id of a run in it")
    if not found:
        if not is_run_id(source):
            refuse_unknown(store, source, "study")
        return _Candidate(StoredRun.of(store.client.get_run(only_run(store, source))), OBJECTIVE)
    study = StoredRun.of(found[0][1])
    trial = best_trial(store, study)
    run = run_with_checkpoint(store, trial)
    if run is None:
        raise ConfigError(
            f"no run of trial {trial.tags['trial']}, the best of the study {study.tags['study']}, kept its checkpoint; "
            f"train it in full (rdpp train --from {study.tags['study']}) and register that run"
        )
    return _Candidate(run, tuple(study.tags["objective"].split()))


def _holder(store: Store, name: str, alias: str | None) -> ModelVersion | None:
    """The version that has the alias."""
    known = store.client.search_registered_models(f"name = '{name}'")
    if alias is None or not known or alias not in known[0].aliases:
        return None
    return store.client.get_model_version_by_alias(name, alias)


def _comparable_value(store: Store, new: _Candidate, holder: ModelVersion, value: float | None) -> float:
    """The objective of the version that has the alias.

    Raises:
        ConfigError: one of the two has none, or they rest on different images.
    """
    title, remedy = f"{holder.name}/{holder.version}", "; --force moves the alias without comparing"
    if value is None:
        raise ConfigError(_nothing_held_out(f"the run {new.run.run_id}", new.objective) + remedy)
    try:
        require(bool(holder.run_id), f"{title}, which has the alias, comes from no run{remedy}")
        old = StoredRun.of(store.client.get_run(str(holder.run_id)))
    except MlflowException:
        raise ConfigError(f"the run {holder.run_id} of {title}, which has the alias, is gone{remedy}") from None
    found = new.value_of(old)
    if found is None:
        raise ConfigError(_nothing_held_out(f"{title}, which has the alias,", new.objective) + remedy)
    for what, one, other in _what_decides(store, new.run, old):
        if one != other:
            raise ConfigError(f"cannot compare with {title}, which has the alias: {what} {other}, not {one}{remedy}")
    return found


def _nothing_held_out(whose: str, objective: Sequence[str]) -> str:
    return f"{whose} has no {' and '.join(objective)} on held-out images (set evaluation.selection: held_out)"


def _what_decides(store: Store, new: StoredRun, old: StoredRun) -> list[tuple[str, Any, Any]]:
    """What decides the held-out images, of both."""
    shares = [configuration(store, run.run_id).evaluation.held_out_share for run in (new, old)]
    return [
        ("its category is", new.tags.get("category"), old.tags.get("category")),
        ("its training images have the digest", new.tags.get(TRAIN_MANIFEST), old.tags.get(TRAIN_MANIFEST)),
        ("the share that it held out is", shares[0], shares[1]),
    ]


def _tags(candidate: _Candidate, value: float | None, checkpoint: Checkpoint) -> dict[str, str]:
    """Of the version."""
    tags = {"category": checkpoint.category, "data": checkpoint.data, "objective": " ".join(candidate.objective)}
    return tags if value is None else {**tags, "held_out": f"{value:.6f}"}
