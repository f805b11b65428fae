"""What lies in a store and its work folder: what is in work, what is left over, and what it takes on disk.

Nothing is made or changed by looking. See `rdpp.tracking.upkeep.cleaning` for what is removed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from mlflow.entities import Run
from mlflow.utils.file_utils import local_file_uri_to_path
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID
from mlflow.utils.uri import is_local_uri

from rdpp.addresses import shown
from rdpp.config import ConfigError
from rdpp.engine import code_digest, saved_state
from rdpp.runs import STATE, WorkFolder, run_lock
from rdpp.tracking.conventions.artifacts import CHECKPOINT, GALLERY, PICTURES
from rdpp.tracking.conventions.location import is_empty, sqlite_file, tracking_uri, work_folder
from rdpp.tracking.conventions.tags import KEY_TRAINING, LEVEL, NODE, RUNS, WORK_FOLDER, is_run
from rdpp.tracking.outbox.outboxes import Home, Outbox, Outboxes
from rdpp.tracking.outbox.sender import is_alive
from rdpp.tracking.store.mlflow_store import Store

_KINDS = {CHECKPOINT: "checkpoints", PICTURES: "pictures", GALLERY: "pictures"}
"""Of a run's artifacts, by folder or file."""


@dataclass(frozen=True)
class OpenRun:
    """A run that is RUNNING in MLflow."""

    run_id: str
    name: str
    level: str
    started: float
    """time.time()."""
    status: Literal["in work", "dead", "elsewhere"]
    """`elsewhere`: another work folder's, of which nothing is known here."""
    node: str | None
    training: str | None
    """`Identity.training` of a run of one category and seed, as far as it is known."""


@dataclass(frozen=True)
class Interrupted:
    """A run whose folder is in the work folder."""

    training: str
    """`Identity.training`."""
    name: str | None
    """As MLflow has it."""
    batch: int | None
    """After which its state was saved; None: it has no state that can be read."""
    saved: float | None
    """When (time.time())."""
    code_changed: bool
    """Whether the code that decides results has changed since."""
    finished: bool
    """Whether MLflow has it finished, so that the state is of no use."""
    in_work: bool
    bytes: int


@dataclass(frozen=True)
class Waiting:
    """An outbox with records that MLflow has not got."""

    node: str
    training: str | None
    records: int
    refused: bool
    """Whether some were refused by MLflow."""
    in_work: bool
    """Whether a process works at the run, and sends them itself."""
    bytes: int


@dataclass(frozen=True)
class Scratch:
    """A folder that a process needed for a while."""

    path: Path
    lock: str
    """Held by whoever needs it."""
    in_work: bool
    bytes: int


@dataclass(frozen=True)
class Leftovers:
    """All that was found."""

    uri: str
    work: WorkFolder
    runs: tuple[OpenRun, ...]
    interrupted: tuple[Interrupted, ...]
    outboxes: tuple[Waiting, ...]
    scratch: tuple[Scratch, ...]
    locks: int
    """Files of locks that nobody holds."""
    artifacts: Mapping[str, int] | None
    """Bytes of checkpoints, pictures and others; None where the artifacts are on another machine."""

    def data(self) -> dict[str, Any]:
        """For JSON and tables."""
        return {
            "store": shown(self.uri),
            "work_folder": str(self.work.root),
            "runs": [asdict(run) for run in self.runs],
            "interrupted": [asdict(run) for run in self.interrupted],
            "outboxes": [asdict(box) for box in self.outboxes],
            "scratch": [{**asdict(one), "path": str(one.path)} for one in self.scratch],
            "free_locks": self.locks,
            "artifacts": self.artifacts,
        }


def survey(uri: str | None) -> Leftovers:
    """Look at a store and its work folder.

    Raises:
        ConfigError: there is no store, or it cannot be reached.
    """
    uri = tracking_uri(uri)
    work = work_folder(uri)
    begun = is_empty(uri) and work.root.is_dir()  # by a process that died before it could make the store
    store = None if begun else Store(uri, create=False)
    outboxes = Outboxes.of(work, uri)
    return Leftovers(
        uri=uri,
        work=work,
        runs=tuple(open_runs(store, outboxes)) if store else (),
        interrupted=tuple(_interrupted(folder, store, work) for folder in work.runs()),
        outboxes=tuple(_waiting(box, outboxes) for box in outboxes.all() if box.waiting() or box.refused()),
        scratch=tuple(_scratch(work)),
        locks=work.free_locks(),
        artifacts=_artifacts(store) if store else {},
    )


def open_runs(store: Store, outboxes: Outboxes) -> Iterator[OpenRun]:
    """The RUNNING ones, the newest first. A parent is in work while a process is present at it or at one above it, or
    while a run below it is in work."""
    runs = {run.info.run_id: run for run in store.search("attributes.status = 'RUNNING'")}
    working: set[str] = set()
    for run_id, run in runs.items():
        if _is_worked_at(run, outboxes):
            working |= {run_id, *_above(run, runs)}
    for run_id, run in runs.items():
        # a run of which nobody could tell yet, and a trial, which has no process of its own
        undecided = not is_run(run.data.tags) or _training(run, outboxes) is None
        if undecided and working & set(_above(run, runs)):
            working.add(run_id)
    here = outboxes.work.known_id()
    for run_id, run in runs.items():
        tags = run.data.tags
        ours = sqlite_file(store.uri) is not None or (here is not None and tags.get(WORK_FOLDER) == here)
        yield OpenRun(
            run_id=run_id,
            name=run.info.run_name or run_id,
            level=tags.get(LEVEL, ""),
            started=run.info.start_time / 1000,
            status=("in work" if run_id in working else "dead") if ours else "elsewhere",
            node=tags.get(NODE),
            training=_training(run, outboxes),
        )


def _is_worked_at(run: Run, outboxes: Outboxes) -> bool:
    if not is_run(run.data.tags):
        return outboxes.work.is_present(f"node-{run.data.tags.get(NODE)}")
    training = _training(run, outboxes)
    return training is not None and outboxes.work.is_locked(run_lock(training))


def _training(run: Run, outboxes: Outboxes) -> str | None:
    """Its `Identity.training`: a tag, which comes a moment after the run."""
    outbox = outboxes.find(run.data.tags.get(NODE, ""))
    return run.data.tags.get(KEY_TRAINING) or (outbox and outbox.training)


def _above(run: Run, runs: Mapping[str, Run]) -> Iterator[str]:
    parent = run.data.tags.get(MLFLOW_PARENT_RUN_ID)
    while parent is not None:
        yield parent
        parent = runs[parent].data.tags.get(MLFLOW_PARENT_RUN_ID) if parent in runs else None


def _interrupted(folder: Path, store: Store | None, work: WorkFolder) -> Interrupted:
    try:
        state = saved_state(folder / STATE)
    except ConfigError:  # damaged, or of another format: its run starts anew
        state = None
    runs = _runs_of(folder, store)
    return Interrupted(
        training=folder.name,
        name=runs[0].info.run_name if runs else None,
        batch=state and state.batch,
        saved=_saved(folder),
        code_changed=state is not None and state.code != code_digest(),
        finished=is_finished(folder, store),
        in_work=work.is_locked(run_lock(folder.name)),
        bytes=size(folder),
    )


def is_finished(folder: Path, store: Store | None) -> bool:
    """Whether MLflow has the run of a folder finished: as the same run, or trained anew after the state was saved."""
    node, saved = Home(folder).known(), _saved(folder)
    return any(
        run.info.status == "FINISHED"
        and (run.data.tags.get(NODE) == node or (saved is not None and (run.info.end_time or 0) > 1000 * saved))
        for run in _runs_of(folder, store)
    )


def _runs_of(folder: Path, store: Store | None) -> list[Run]:
    return [] if store is None else store.search(f"tags.{KEY_TRAINING} = '{folder.name}' and {RUNS}")


def _saved(folder: Path) -> float | None:
    """When its state was written, or the one before that is left where a process was killed."""
    times = [path.stat().st_mtime for path in (folder / STATE, folder / f".{STATE}.before") if path.is_dir()]
    return max(times, default=None)


def _waiting(box: Outbox, outboxes: Outboxes) -> Waiting:
    return Waiting(
        node=box.node,
        training=box.training,
        records=len(box.waiting()),
        refused=box.refused(),
        in_work=is_alive(outboxes, box),
        bytes=size(box.folder),
    )


def _scratch(work: WorkFolder) -> Iterator[Scratch]:
    """Folders of commands and processes, and states that were being written or replaced."""
    for folder in work.needed_for_a_while():
        yield Scratch(folder, folder.name, work.is_locked(folder.name), size(folder))
    for run in work.runs():
        lock = run_lock(run.name)
        for folder in sorted(run.glob(f".{STATE}*")):
            # killed between two renamings, a process left the state before in the place of the state
            if (run / STATE).is_dir() or not folder.name.endswith(".before"):
                yield Scratch(folder, lock, work.is_locked(lock), size(folder))


def _artifacts(store: Store) -> dict[str, int] | None:
    location = store.client.get_experiment(store.experiment_id).artifact_location
    if not is_local_uri(location, is_tracking_or_registry_uri=False):
        return None
    found = dict.fromkeys([*_KINDS.values(), "others"], 0)
    for folder in Path(local_file_uri_to_path(location)).glob("*/artifacts/*"):
        found[_KINDS.get(folder.name, "others")] += size(folder)
    return found


def size(path: Path) -> int:
    """Bytes of a file, or of all in a folder; what is removed meanwhile is not counted."""
    total = 0
    for file in [path] if path.is_file() else path.rglob("*"):
        try:
            total += file.stat().st_size if file.is_file() else 0
        except FileNotFoundError:
            continue
    return total
