"""Signals that ask this process to stop, and when it listens to them."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1")
"""Ctrl-C; kill, SLURM's end of time; a terminal that goes away; SLURM's warning (`--signal=USR1@120`)."""
SIGNALS = tuple(getattr(signal, name) for name in _NAMES if hasattr(signal, name))


class Stopped(BaseException):
    """The user or the system asked this process to stop."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.signal = number

    @property
    def exit_code(self) -> int:
        """As a shell gives it: 130 for Ctrl-C, 143 for SIGTERM."""
        return 128 + self.signal


class Stop:
    """Whether this process was asked to stop.

    A first signal waits while a batch is in work, so that the run's state can be saved after it; otherwise it raises
    `Stopped` at once. A second one raises in any case. A third ends the process without a word.
    """

    def __init__(self, tell: Callable[[str], None] | None = None) -> None:
        """`tell` is called with one line when a signal has to wait."""
        self.requested: int | None = None
        """The signal's number; None as long as none came."""
        self._tell = tell or (lambda line: print(line, file=sys.stderr))
        self._times = 0
        self._in_batch = False

    @contextmanager
    def after_batch(self) -> Iterator[None]:
        """Let a first signal wait: the block looks at `check` between batches."""
        self._in_batch = True
        try:
            yield
        finally:
            self._in_batch = False

    def check(self) -> None:
        """Raise Stopped if a signal waits."""
        if self.requested is not None:
            raise Stopped(self.requested)

    def sleep(self, seconds: float) -> None:
        """Wait; a signal ends it."""
        self.check()
        time.sleep(seconds)  # the handler raises

    def request(self, number: int) -> None:
        """What a signal's handler does."""
        self._times += 1
        self.requested = number
        if self._times > 2:
            os._exit(128 + number)
        if self._times == 2 or not self._in_batch:
            raise Stopped(number)
        self._tell("rdpp: stopping after this batch; its state is saved (once more: stop at once)")


@contextmanager
def stopping(tell: Callable[[str], None] | None = None) -> Iterator[Stop]:
    """Listen to signals within the block; one that is ignored already, as nohup does with SIGHUP, stays ignored."""
    stop = Stop(tell)

    def handle(number: int, frame: FrameType | None) -> None:
        stop.request(number)

    before = {number: signal.getsignal(number) for number in SIGNALS}
    listened = [number for number in SIGNALS if before[number] is not signal.SIG_IGN]
    for number in listened:
        signal.signal(number, handle)
    try:
        yield stop
    finally:
        for number in listened:
            signal.signal(number, before[number])


@contextmanager
def handlers_kept() -> Iterator[None]:
    """Within the block a library may put handlers of its own in place; after it those from before are back."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
