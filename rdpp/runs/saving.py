"""The state of a run in work: saved now and then, found again after its process died."""

import time
from collections.abc import Callable
from pathlib import Path

from rdpp.config import ConfigError
from rdpp.engine import Pause, RunSpec, code_digest, machine_digest, remove_state, saved_state
from rdpp.interval import Interval
from rdpp.runs.failures import EndsWork
from rdpp.runs.locks import Hold
from rdpp.stopping import Stop

_SHARE = 0.01
"""Of the time that `auto` may spend on saving."""
_FIRST = 30.0
"""Seconds until the first saving, while nobody knows what it costs."""


class StateSaver:
    """Called between batches: saves the state when it is time, and when the process was asked to stop."""

    def __init__(
        self,
        folder: Path,
        every: Interval | None,
        stop: Stop,
        hold: Hold,
        saved: Callable[[Path, int], None] = lambda folder, batch: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Args:
        folder: where the state is written.
        every: how often; None: so often that it costs a hundredth of the time.
        stop, hold: what is looked at between batches.
        saved: told of each state, with its folder and the batches that are done.
        clock: seconds; for tests.
        """
        self.folder, self.every, self.stop, self.hold = folder, every, stop, hold
        self._clock, self._tell = clock, saved
        self._saved, self._wait = clock(), _FIRST
        self._last: tuple[int, int] | None = None
        """Batch and epoch of the last saving, or of the beginning."""

    def __call__(self, pause: Pause) -> None:
        """Raises Stopped after the state was saved, HoldLost where another machine has the run."""
        self.hold.check()
        if self._last is None:
            self._last = pause.state.batch - 1, pause.state.epoch
        if self.stop.requested is not None or self._is_due(pause, *self._last):
            before = self._clock()
            pause.save(self.folder)
            self._tell(self.folder, pause.state.batch)
            self._saved = self._clock()
            self._wait = (self._saved - before) / _SHARE
            self._last = pause.state.batch, pause.state.epoch
        self.stop.check()

    def _is_due(self, pause: Pause, batch: int, epoch: int) -> bool:
        if self.every is None:
            return self._clock() - self._saved >= self._wait
        if self.every.seconds is not None:
            return self._clock() - self._saved >= self.every.seconds
        if self.every.epochs is not None:
            return pause.state.epoch - epoch >= self.every.epochs
        assert self.every.batches is not None
        return pause.state.batch - batch >= self.every.batches


def resumption(
    folder: Path, spec: RunSpec, *, changed_code: bool, tell: Callable[[str], None]
) -> tuple[Path | None, dict[str, object]]:
    """Where a run can go on.

    Args:
        folder: that a state may be in.
        spec: the run.
        changed_code: go on even if the code that decides results has changed since the state was saved.
        tell: is called with a line if the run has to start anew, or goes on on another machine.

    Returns:
        The folder, None where the run starts from its beginning, and tags that say how it went on.

    Raises:
        EndsWork: the code has changed.
    """
    try:
        saved = saved_state(folder)
    except ConfigError as error:
        tell(f"{spec.name}: {error}; it starts anew")
        remove_state(folder)
        return None, {}
    if saved is None or saved.key != spec.identity.training:
        return None, {}
    tags: dict[str, object] = {}
    if saved.code != code_digest():
        if not changed_code:
            raise EndsWork(
                f"{spec.name} was stopped after batch {saved.batch}, and the code has changed since (digest "
                f"{saved.code}, now {code_digest()}): it could go on to another result; go back to that code, or add "
                f"--changed-code to go on all the same, or delete {folder.parent} to start anew"
            )
        tags["resumed_with_other_code"] = saved.code
    if saved.machine != machine_digest(spec.experiment):
        tell(f"{spec.name}: goes on after batch {saved.batch} of another machine: last digits may differ")
        tags["resumed_on_other_machine"] = saved.machine
    return folder, tags
