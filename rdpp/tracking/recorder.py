"""Writes one run of one category and seed to the tree."""

import json
import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rdpp.addresses import shown
from rdpp.engine import BatchFinished, CheckpointWriter, EpochFinished, Event, GivenUp, RunFinished, RunStarted
from rdpp.runs import HoldLost, goes_on
from rdpp.stopping import Stopped
from rdpp.tracking.conventions.artifacts import CHECKPOINT
from rdpp.tracking.conventions.tags import ERROR, STATE
from rdpp.tracking.observer import RunObserver
from rdpp.tracking.outbox.delivery import Delivery
from rdpp.tracking.outbox.outboxes import RESULT, Home, Outbox
from rdpp.tracking.outbox.records import Kind
from rdpp.tracking.outbox.result import with_nan, with_null, write_result

_EVALUATIONS = "evaluations.json"


class RunRecorder:
    """An observer that puts what a run tells into its outbox; the checkpoint and the result into its folder.

    A record's name says which event it is from. So a run that goes on from an earlier state may put what it had put
    before: it is not sent twice.
    """

    name = "tracking"

    def __init__(self, delivery: Delivery, outbox: Outbox, home: Home, *, states: bool) -> None:
        """Args:
        delivery: sends the records.
        outbox: of the run, opened.
        home: the run's folder, which is removed when it is over.
        states: whether states are sent too.
        """
        self._delivery, self._outbox, self._home, self._states = delivery, outbox, home, states
        shutil.rmtree(outbox.folder / CHECKPOINT, ignore_errors=True)  # of a process that died; a state has its own
        (outbox.folder / RESULT).unlink(missing_ok=True)
        self._checkpoint = CheckpointWriter(outbox.folder / CHECKPOINT)
        self._observer = RunObserver(self._put)
        self._evaluations: list[tuple[int, Mapping[str, float]]] = []
        self._event = ""
        self._counts: Counter[str] = Counter()

    def __call__(self, event: Event) -> None:
        self._delivery.check()
        self._begin(event)
        self._checkpoint(event)
        self._observer(event)
        if isinstance(event, EpochFinished) and event.evaluation is not None:
            self._evaluations.append((event.epoch, event.evaluation.metrics))
        if isinstance(event, RunFinished):
            write_result(self._outbox.folder, event.result, self._evaluations)
        if isinstance(event, BatchFinished):
            self._delivery.start()  # not before: importing MLflow would hold up the first step

    def save(self, folder: Path) -> None:
        """Write what was collected so far."""
        for part in (self._checkpoint, self._observer):
            (folder / part.name).mkdir()
            part.save(folder / part.name)
        evaluations = [[epoch, with_null(metrics)] for epoch, metrics in self._evaluations]
        (folder / _EVALUATIONS).write_text(json.dumps(evaluations))

    def load(self, folder: Path) -> None:
        """Take what `save` wrote."""
        for part in (self._checkpoint, self._observer):
            part.load(folder / part.name)
        saved = json.loads((folder / _EVALUATIONS).read_text())
        self._evaluations = [(epoch, with_nan(metrics)) for epoch, metrics in saved]

    def state_saved(self, folder: Path, batch: int) -> None:
        """See `Recorder.state_saved`."""
        if self._states:
            with self._delivery.outboxes.lock_if_free(self._outbox) as hold:
                if hold is not None:
                    self._outbox.drop_states()
            self._outbox.put_state(folder, batch, self._event)
            self._delivery.notice(self._outbox)

    def close(self, error: BaseException | None) -> None:
        """End the run, well or with an error. One that was stopped by the user, or by a disk, will go on; one that was
        lost to another machine is that machine's; all others are over."""
        if isinstance(error, HoldLost):
            self._delivery.drop(self._outbox)
            self._home.leave(self._outbox.node)
            return
        status, tags = ending(error)
        over = error is None or not goes_on(error)
        if error is not None:
            (self._outbox.folder / RESULT).unlink(missing_ok=True)
        if over and self._states:
            self._outbox.remove_states()
        self._outbox.close(status, tags, over=over)
        if over:
            self._home.leave(self._outbox.node)
        self._delivery.notice(self._outbox)

    def _begin(self, event: Event) -> None:
        """Name the records that come now."""
        match event:
            case RunStarted():
                self._event = "1-start"
                self._evaluations = []
            case EpochFinished():
                self._event = f"2-epoch-{event.epoch:07d}"
            case RunFinished():
                self._event = "3-end"
        self._counts.clear()

    def _put(self, kind: Kind, payload: Mapping[str, Any]) -> None:
        self._counts[kind] += 1
        self._delivery.put(self._outbox, kind, payload, f"{self._event}-{kind}-{self._counts[kind]}")


def ending(error: BaseException | None) -> tuple[str, dict[str, str]]:
    """How a run is closed: FINISHED; KILLED where the user stopped it or it was given up (tag `state`: pruned); else
    FAILED with the error as a tag."""
    if error is None:
        return "FINISHED", {}
    if isinstance(error, GivenUp):
        return "KILLED", {STATE: "pruned"}
    if isinstance(error, KeyboardInterrupt | Stopped):
        return "KILLED", {}
    return "FAILED", {ERROR: shown(f"{type(error).__name__}: {error}")[:500]}
