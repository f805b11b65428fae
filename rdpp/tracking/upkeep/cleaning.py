"""`rdpp runs clean`: removes what nobody needs, and marks runs that nobody works at as KILLED."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rdpp.runs import run_lock
from rdpp.tracking.conventions.artifacts import CHECKPOINT
from rdpp.tracking.conventions.location import is_empty, unusable
from rdpp.tracking.outbox.outboxes import RESULT, Outbox, Outboxes
from rdpp.tracking.outbox.sender import Held, Sender
from rdpp.tracking.sink import StoreSink
from rdpp.tracking.store.mlflow_store import Store
from rdpp.tracking.store.outage import outage
from rdpp.tracking.upkeep.leftovers import Interrupted, Leftovers, OpenRun, Scratch, is_finished, open_runs, size


@dataclass(frozen=True)
class Plan:
    """What is to be cleaned."""

    scratch: Sequence[Scratch]
    finished: Sequence[Interrupted]
    """States of runs that are finished."""
    states: Sequence[Interrupted]
    """Those of runs that could go on."""
    dead: Sequence[OpenRun]
    locks: int

    @classmethod
    def of(cls, found: Leftovers, *, states: bool) -> "Plan":
        """What of all that was found; `states`: those of interrupted runs too."""
        idle = [run for run in found.interrupted if not run.in_work]
        return cls(
            scratch=[one for one in found.scratch if not one.in_work],
            finished=[run for run in idle if run.finished],
            states=[run for run in idle if states and not run.finished],
            dead=[run for run in found.runs if run.status == "dead"],
            locks=found.locks,
        )

    def is_empty(self) -> bool:
        """Whether there is nothing to do. Files of locks alone are nothing: the next command needs them."""
        return not (self.scratch or self.finished or self.states or self.dead)

    def lines(self) -> list[str]:
        """What it is, for a person."""
        removed = {
            "folders of scratch": self.scratch,
            "states of runs that are finished": self.finished,
            "states of interrupted runs, which then start from their beginning": self.states,
        }
        said = [
            f"remove {what}: {len(of)} ({sum(one.bytes for one in of) / 1e6:.1f} MB)"
            for what, of in removed.items()
            if of
        ]
        killed = [f"mark as KILLED in MLflow, since nobody works at them: {_named(self.dead)}"] if self.dead else []
        return [*said, *killed]


def _named(runs: Sequence[OpenRun]) -> str:
    names = [f"{run.level} {run.name}".strip() for run in runs[:3]]
    return ", ".join(names) + (f" and {len(runs) - 3} more" if len(runs) > 3 else "")


def clean(plan: Plan, found: Leftovers) -> str:
    """Do what a plan says. What somebody has begun to work at since is left alone.

    Returns:
        What was done, in one line.

    Raises:
        ConfigError: the store cannot be reached.
    """
    with found.work.in_use():
        store = None if is_empty(found.uri) else Store(found.uri, create=False)
        cleaner = _Cleaner(found, store)
        for one in plan.scratch:
            cleaner.remove_scratch(one)
        for run in plan.finished:
            cleaner.remove_finished(run)
        for run in plan.states:
            cleaner.give_up(run)
        cleaner.mark(plan.dead)
    return f"removed {cleaner.removed} folders ({cleaner.bytes / 1e6:.1f} MB), marked {cleaner.killed} runs as KILLED"


class _Cleaner:
    """Removes and marks under the lock of each thing, and counts."""

    def __init__(self, found: Leftovers, store: Store | None) -> None:
        self._work, self._store = found.work, store
        self._outboxes = Outboxes.of(found.work, found.uri)
        self.removed = self.bytes = self.killed = 0

    def remove_scratch(self, one: Scratch) -> None:
        with self._work.lock_if_free(one.lock) as free:
            if free:
                self._remove(one.path)

    def remove_finished(self, run: Interrupted) -> None:
        folder = self._work.of(run.training)
        with self._work.lock_if_free(run_lock(run.training)) as free:
            if free and is_finished(folder, self._store):
                self._remove(folder)

    def give_up(self, run: Interrupted) -> None:
        """Remove a state that a run could go on from: nothing comes to it any more."""
        with self._work.lock_if_free(run_lock(run.training)) as free:
            if not free:
                return
            self._remove(self._work.of(run.training))
            for outbox in self._outboxes.of_training(run.training):
                if not outbox.is_over():
                    shutil.rmtree(outbox.folder / CHECKPOINT, ignore_errors=True)
                    outbox.close("KILLED", {})
                    self._send(outbox)

    def mark(self, runs: Sequence[OpenRun]) -> None:
        """Not those that somebody works at by now."""
        if self._store is None or not runs:
            return
        dead = {run.run_id for run in open_runs(self._store, self._outboxes) if run.status == "dead"}
        for run in runs:
            if run.run_id not in dead:
                continue
            if run.training is None:
                self._mark(self._store, run)
                continue
            with self._work.lock_if_free(run_lock(run.training)) as free:
                if free:
                    self._mark(self._store, run)

    def _mark(self, store: Store, run: OpenRun) -> None:
        """Where records wait, by one after them: they would open the run again."""
        outbox = self._outboxes.find(run.node) if run.node else None
        if outbox is None:
            store.end_run(run.run_id, "KILLED", {})
        else:
            if not outbox.is_over():
                finished = (outbox.folder / RESULT).is_file()
                outbox.close("FINISHED" if finished else "KILLED", {}, over=finished)
            self._send(outbox)
        self.killed += store.client.get_run(run.run_id).info.status == "KILLED"

    def _send(self, outbox: Outbox) -> None:
        if self._store is None:
            return
        uri = self._store.uri
        sender = Sender(self._outboxes, StoreSink(self._store, self._work), lambda error: outage(error, uri))
        try:
            sender.send(outbox)
        except Held:  # another process sends it at this moment
            return
        except Exception as error:
            raise unusable(uri, error) from error

    def _remove(self, folder: Path) -> None:
        if folder.is_dir():
            self.removed, self.bytes = self.removed + 1, self.bytes + size(folder)
            shutil.rmtree(folder)
