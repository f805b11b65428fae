"""A worker: what runs in its process, and how it tells the process that started it what it does."""

import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, Protocol

from rdpp.config import ConfigError
from rdpp.display.output import results_alone
from rdpp.display.screen import Terminal
from rdpp.folders import disk_problem, is_of_the_machine
from rdpp.stopping import SIGNALS, Stopped, stopping
from rdpp.workers.member import Member

_PROBLEM = 2
"""Exit code of a worker that found what a user can mend."""


class Outlet(Protocol):
    """Where a worker's messages go."""

    def send(self, message: tuple[Any, ...], /) -> None:
        """OSError if nobody looks any longer."""
        ...


class RemoteScreen:
    """A screen in another process."""

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet

    def line(self, text: str) -> None:
        """See `Screen.line`."""
        self._send(("line", text))

    def show(self, *, done: float, running: str | None = None, best: str | None = None) -> None:
        """See `Screen.show`."""
        self._send(("show", done, running, best))

    def problem(self, text: str) -> None:
        """What a user can mend; the worker ends."""
        self._send(("problem", text))

    def _send(self, message: tuple[Any, ...]) -> None:
        try:
            self._outlet.send(message)
        except OSError:  # nobody looks any longer: `_end_with_parent` ends this worker
            return


class Speech:
    """What a worker says, as it is shown."""

    def __init__(self) -> None:
        self.problem: str | None = None
        """What it found that a user can mend."""
        self._runs = 0

    def hear(self, message: tuple[Any, ...], screen: Terminal, worker: int, settled: Callable[[], None]) -> None:
        """Show a message of `RemoteScreen`; `settled` is called if a run has ended."""
        kind, *content = message
        if kind == "line":
            screen.line(content[0])
        elif kind == "problem":
            self.problem = content[0]
        else:
            done, running, best = content
            screen.show_worker(worker, done=done, running=running, best=best)
            if int(done) > self._runs:
                settled()
            self._runs = int(done)


class Channel(Speech):
    """The other end of a worker's screen, through a pipe."""

    def __init__(self, pipe: Connection) -> None:
        super().__init__()
        self.pipe = pipe

    def show(self, screen: Terminal, worker: int, settled: Callable[[], None]) -> None:
        """Show what has come; see `hear`."""
        while True:
            try:
                message = self.pipe.recv() if self.pipe.poll() else None
            except (EOFError, OSError):  # the worker has ended, perhaps in the middle of a message
                message = None
            if message is None:
                return
            self.hear(message, screen, worker, settled)


def serve(outlet: Outlet, member: Member, function: Callable[..., None], arguments: tuple[Any, ...]) -> int:
    """Call a worker's function in this process.

    Returns:
        0; 2 with a problem told; 128 + signal if it was stopped.
    """
    screen = RemoteScreen(outlet)
    with stopping(screen.line) as stop, results_alone():
        try:
            function(member, screen, stop, *arguments)
        except Stopped as stopped:
            return stopped.exit_code
        except ConfigError as error:
            screen.problem(str(error))
            return _PROBLEM
        except OSError as error:
            if not is_of_the_machine(error):
                raise
            screen.problem(disk_problem(error))
            return _PROBLEM
    return 0


def run_worker(pipe: Connection, member: Member, function: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    """A worker's process; its exit code is that of `serve`."""
    if hasattr(os, "setpgrp"):  # not on Windows
        os.setpgrp()  # Ctrl-C in a terminal reaches the process that started this one, which passes it on
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)  # `rdpp.fork_server` blocks them
    _end_with_parent()
    sys.exit(serve(pipe, member, function, arguments))


def _end_with_parent() -> None:
    """Stop, as SIGTERM does, when the process that started this one is gone."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        multiprocessing.connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent", daemon=True).start()
