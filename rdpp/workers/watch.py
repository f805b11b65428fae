"""Watch over workers, however they are started: show what they do, start those anew that die, stop all together."""

import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence

from rdpp.config import ConfigError
from rdpp.display.screen import Terminal
from rdpp.stopping import SIGNALS, Stopped
from rdpp.workers.member import Member

_MOST_DEATHS = 10
"""Of one worker, while no run ends."""
_GRACE = 20.0
"""Seconds that workers have to end after a second signal."""


class WorkerFailed(ConfigError):
    """A worker ended with an error, or died again and again."""


class Watch(ABC):
    """What is the same for all kinds of workers; a subclass starts, signals and waits for those of its kind."""

    def __init__(self, crew: Sequence[Member], screen: Terminal) -> None:
        self.members, self.screen = {member.number: member for member in crew}, screen
        self.leaving = False
        """Whether all are to end, and the command with them."""
        self._deaths = dict.fromkeys(self.members, 0)
        self._problem: ConfigError | None = None

    @abstractmethod
    def start(self, number: int) -> None:
        """Start a worker."""

    @abstractmethod
    def signal(self, number: int) -> None:
        """Ask all workers that work to stop, as this signal does."""

    @abstractmethod
    def kill(self) -> None:
        """End all that is left of the workers."""

    @abstractmethod
    def left(self) -> bool:
        """Whether some worker has not been seen to end."""

    @abstractmethod
    def wait(self) -> None:
        """At most a second, for what workers say and for their ends: the first is shown, the second are `judge`d."""

    def run(self) -> None:
        """Until all have ended.

        Raises:
            ConfigError: what a worker found that a user can mend; the others were stopped.
            WorkerFailed: a worker ended with an error of the code, or died too often.
            Stopped: this process was asked to stop; the workers have stopped, with their states saved.
        """
        try:
            for number in self.members:
                self.start(number)
            while self.left():
                self.wait()
        except Stopped as stopped:
            self._pass_on(stopped.signal)
            raise
        except BaseException:
            self._pass_on(signal.SIGTERM)
            raise
        if self._problem is not None:
            raise self._problem

    def settled(self) -> None:
        """Some run ended: whatever killed workers does not do so always."""
        self._deaths = dict.fromkeys(self._deaths, 0)

    def judge(self, number: int, code: int, problem: str | None) -> None:
        """What follows from a worker's end.

        Args:
            number: the worker's.
            code: of its exit; negative: the signal that ended it.
            problem: what it found that a user can mend.
        """
        if code == 0 or self.leaving or self._problem is not None:
            return
        if problem is not None:
            self._fail(ConfigError(problem))
        elif code > 0 and code - 128 not in SIGNALS:
            self._fail(WorkerFailed(f"worker {number} ended with an error (exit code {code}), which is told above"))
        else:
            name = signal.Signals(code - 128 if code > 0 else -code).name
            if self.died(number, f"was ended by {name}"):
                self.start(number)

    def died(self, number: int, how: str) -> bool:
        """Count a worker's death. Whether another takes its place: not if it died too often, which ends the command."""
        self._deaths[number] += 1
        if self._deaths[number] > _MOST_DEATHS:
            self._fail(WorkerFailed(f"worker {number} died {_MOST_DEATHS} times; see to the machine's memory"))
            return False
        self.screen.line(f"worker {number} {how}; another takes its place")
        return True

    def _fail(self, problem: ConfigError) -> None:
        """Stop the others; the first problem is told."""
        self._problem = problem
        self.signal(signal.SIGTERM)

    def _pass_on(self, number: int) -> None:
        """A signal to the workers; waits for them. A second signal is passed on too, and then they have a while."""
        self.leaving = True
        self.signal(number)
        try:
            self._drain(None)
        except Stopped as again:
            self.signal(again.signal)
            self._drain(time.monotonic() + _GRACE)
        finally:
            self.kill()

    def _drain(self, until: float | None) -> None:
        """Wait until all workers have ended, showing what they say."""
        while self.left() and (until is None or time.monotonic() < until):
            self.wait()
