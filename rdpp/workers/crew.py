"""Workers as processes of their own on this machine."""

import multiprocessing
import multiprocessing.connection
import multiprocessing.forkserver
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from rdpp.display.screen import Terminal
from rdpp.runs.scratch import temporary_files_of_the_system
from rdpp.workers.member import Member
from rdpp.workers.process import Channel, run_worker
from rdpp.workers.watch import Watch

if TYPE_CHECKING:  # Windows has only those of spawning
    from multiprocessing.context import ForkServerContext, ForkServerProcess, SpawnContext, SpawnProcess

_LONGEST = 70
"""Characters of the folder for the fork server's socket: a socket's whole path may have 107."""


def run_crew(
    crew: Sequence[Member], function: Callable[..., None], arguments: tuple[Any, ...], screen: Terminal
) -> None:
    """Let each member call `function(member, screen, stop, *arguments)` in a process of its own, until all have ended.

    A worker that dies is started anew: what it worked at goes on from its last state. Signals are passed on to the
    workers. On Linux they are forked from a process that has imported what they need and done nothing else: to import
    it takes seconds. Elsewhere each imports it itself.

    Args:
        crew: the workers.
        function: of a module; pickled by its name.
        arguments: are pickled.
        screen: shows what they do.

    Raises:
        ConfigError, WorkerFailed, Stopped: see `Watch.run`.
    """
    _Crew(crew, function, arguments, screen).run()


class _Crew(Watch):
    def __init__(
        self, crew: Sequence[Member], function: Callable[..., None], arguments: tuple[Any, ...], screen: Terminal
    ) -> None:
        super().__init__(crew, screen)
        self._context = _context(function)
        self._target = function, arguments
        self._channels: dict[int, Channel] = {}
        self._processes: dict[int, ForkServerProcess | SpawnProcess] = {}

    def start(self, number: int) -> None:
        """See `Watch.start`."""
        ours, theirs = self._context.Pipe(duplex=False)
        function, arguments = self._target
        process = self._context.Process(
            target=run_worker, args=(theirs, self.members[number], function, arguments), name=f"worker {number}"
        )
        process.start()
        theirs.close()
        self._processes[number], self._channels[number] = process, Channel(ours)

    def left(self) -> bool:
        """See `Watch.left`."""
        return bool(self._processes)

    def wait(self) -> None:
        """See `Watch.wait`."""
        pipes = [channel.pipe for channel in self._channels.values()]
        multiprocessing.connection.wait([*pipes, *(p.sentinel for p in self._processes.values())], timeout=1.0)
        for number, channel in list(self._channels.items()):
            channel.show(self.screen, number, self.settled)
        for number, process in list(self._processes.items()):
            if not process.is_alive():
                self._ended(number, process)

    def _ended(self, number: int, process: "ForkServerProcess | SpawnProcess") -> None:
        process.join()
        channel = self._channels.pop(number)
        channel.show(self.screen, number, self.settled)
        del self._processes[number]
        self.judge(number, process.exitcode or 0, channel.problem)

    def signal(self, number: int) -> None:
        """See `Watch.signal`; they are in process groups of their own."""
        for process in self._processes.values():
            if process.is_alive() and process.pid is not None:
                os.kill(process.pid, number)

    def kill(self) -> None:
        """See `Watch.kill`."""
        for process in self._processes.values():
            process.kill()


def _context(function: Callable[..., None]) -> "ForkServerContext | SpawnContext":
    """How processes are started that call a function."""
    if not sys.platform.startswith("linux"):
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["rdpp.fork_server", __name__, function.__module__])
    with temporary_files_of_the_system(_LONGEST):
        multiprocessing.forkserver.ensure_running()
    return context
