"""The tree of runs, as whoever keeps it must offer it: tracking does so with MLflow."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from rdpp.config import ConfigError
from rdpp.engine import Event, RunSpec
from rdpp.runs.locks import Hold, Locks
from rdpp.runs.views import View
from rdpp.runs.work_folder import WorkFolder


@dataclass(frozen=True)
class Node:
    """A run of the tree, or the parent of some."""

    id: str
    """The same in every process that works at it, and after a restart; MLflow has another id for it."""


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A finished run of the tree that trained the network of a spec."""

    run_id: str | None
    """MLflow's; None where MLflow has not got it yet: see `node`."""
    node: Node | None
    """None of a run that an earlier version of rdpp kept."""
    same_test_files: bool
    """Whether it was evaluated on the test files that the spec has; if not, its network is of use, its metrics not."""
    epoch: int
    """The chosen one."""
    metrics: Mapping[str, float]
    """Of that epoch on the test images."""
    deciding: Mapping[str, float]
    """The same on the images that choices may look at: held-out ones where there are some."""
    dead_terms: tuple[str, ...]
    epochs: int
    steps: int


class Recorder(Protocol):
    """An observer that writes one run to the tree."""

    def __call__(self, event: Event) -> None: ...

    def state_saved(self, folder: Path, batch: int) -> None:
        """A state was saved after so many batches; the tree may keep a copy for other machines."""
        ...

    def close(self, error: BaseException | None) -> None:
        """End the run, well or with an error."""
        ...


class Tree(Protocol):
    """Opens, closes and finds runs. Writing may go on in the background; `finish` waits for it."""

    @property
    def work(self) -> WorkFolder:
        """Where runs that are not finished lie, on this machine."""
        ...

    @property
    def locks(self) -> Locks:
        """Between all processes that work at this tree, on whichever machine."""
        ...

    def hold(self, training: str) -> AbstractContextManager[Hold | None]:
        """Work at a run alone; gives None if another process works at it. After it everyone finds what was finished.

        `training`: the run's `Identity.training`.
        """
        ...

    def open(self, name: str, *, level: str, key: str, parent: Node | None, tags: Mapping[str, object]) -> Node:
        """Begin a parent run, or go on with it: there is one with this level, key and parent, however many processes
        open it, and whenever.

        Args:
            name: shown to people.
            level: training, study, trial, ablation, variant or comparison.
            key: tells it from others of its level under its parent.
            parent: it stands under.
            tags: searchable.
        """
        ...

    def node(self, level: str, key: str, parent: Node | None) -> Node:
        """The node that `open` gives, without opening it."""
        ...

    def close(self, node: Node, error: BaseException | None = None) -> None:
        """End it, well or with an error; `open` begins it again."""
        ...

    def run_id(self, node: Node) -> str:
        """The id under which the tree keeps it; waits until it has one."""
        ...

    def log_metrics(self, node: Node, metrics: Mapping[str, float], step: int = 0) -> None:
        """One value a name."""
        ...

    def log_params(self, node: Node, params: Mapping[str, Any]) -> None:
        """Parameters by dotted path."""
        ...

    def set_tags(self, node: Node, tags: Mapping[str, object]) -> None:
        """Several tags at once."""
        ...

    def log_json(self, node: Node, path: str, data: Any) -> None:
        """A JSON artifact."""
        ...

    def log_text(self, node: Node, path: str, text: str) -> None:
        """A text artifact."""
        ...

    def save_view(self, node: Node, view: View) -> None:
        """Keep a page about the runs below a root of the tree; one that shows the same level there is replaced."""
        ...

    def finish(self) -> None:
        """Wait until all is written."""
        ...

    def share(self) -> None:
        """The same where other machines work too: this one may be lost with what is not written. Elsewhere it waits on
        disk, and nothing is waited for."""
        ...

    def record(self, spec: RunSpec, parent: Node, tags: Mapping[str, object]) -> "Recorder":
        """An observer that writes the run of a spec under a parent.

        A run that was interrupted, by whichever process, is gone on with: its folder in the work folder says so, or
        that it is open in the tree. The caller holds the run.
        """
        ...

    def fetch_state(self, spec: RunSpec, folder: Path) -> None:
        """Put the state that the tree has of a run into a folder, if it is newer than what lies there.

        The caller holds the run.
        """
        ...

    def abandon(self, training: str, error: BaseException) -> None:
        """End a run that a process left when it died, and remove its folder; nothing where there is none.

        The caller holds the run.

        Args:
            training: its `Identity.training`.
            error: why it is not gone on with.
        """
        ...

    def find(self, spec: RunSpec, since: float = 0.0) -> Finished | None:
        """The newest finished run that is this one, or that is but for its test files.

        It has kept what the spec's experiment wants to be kept: the checkpoint, the anomaly maps.

        Args:
            spec: which run.
            since: it ended after this time (time.time()).
        """
        ...

    def evaluations(self, finished: Finished) -> Sequence[tuple[int, Mapping[str, float]]]:
        """Epoch and metrics on the watched images, of every epoch that was evaluated, in order."""
        ...

    def take_over(self, finished: Finished, parent: Node, tags: Mapping[str, object]) -> None:
        """Note that a finished run belongs to this parent too."""
        ...

    def forget(self, node: Node) -> None:
        """Keep no checkpoints and pictures of the runs below a parent: neither those that are there nor those to come.
        A run that another parent has taken over keeps them, and so does one that this parent has taken over."""
        ...

    def checkpoint(self, finished: Finished) -> AbstractContextManager[Path | None]:
        """A folder with the checkpoint of a run's chosen epoch; None where it was not kept."""
        ...


def is_finished(spec: RunSpec, tree: Tree, since: float = 0.0) -> bool:
    """Whether the tree holds a run's results, so that nothing is left to do; False where its images cannot be used.

    Args:
        spec: the run.
        tree: where it is looked for.
        since: it ended after this time (time.time()).
    """
    try:
        found = tree.find(spec, since)
    except ConfigError:  # which `prepare` tells
        return False
    return found is not None and found.same_test_files
