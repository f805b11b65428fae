"""Start workers as processes of their own, show what they do, and start those anew that die."""

import multiprocessing
import multiprocessing.connection
import os
import signal
import time
from collections.abc import Callable, Sequence
from multiprocessing.context import SpawnProcess
from typing import Any

from rdpp.config import ConfigError
from rdpp.display.screen import Terminal
from rdpp.stopping import SIGNALS, Stop, Stopped
from rdpp.workers.member import Member
from rdpp.workers.process import Channel, run_worker

_MOST_DEATHS = 10
"""Of one worker, while no run ends."""
_GRACE = 20.0
"""Seconds that workers have to end after a second signal."""


class WorkerFailed(ConfigError):
    """A worker ended with an error, or died again and again."""


def run_crew(
    crew: Sequence[Member], function: Callable[..., None], arguments: tuple[Any, ...], screen: Terminal, stop: Stop
) -> None:
    """Let each member call `function(member, screen, stop, *arguments)` in a process of its own, until all have ended.

    A worker that dies is started anew: what it worked at goes on from its last state.

    Args:
        crew: the workers.
        function: of a module; pickled by its name.
        arguments: are pickled.
        screen: shows what they do.
        stop: of this process; a signal is passed on to the workers.

    Raises:
        ConfigError: what a worker found that a user can mend; the others were stopped.
        WorkerFailed: a worker ended with an error of the code, or died too often.
        Stopped: this process was asked to stop; the workers have stopped, with their states saved.
    """
    _Crew(crew, function, arguments, screen).run(stop)


class _Crew:
    def __init__(
        self, crew: Sequence[Member], function: Callable[..., None], arguments: tuple[Any, ...], screen: Terminal
    ) -> None:
        self._context = multiprocessing.get_context("spawn")
        self._target, self._screen = (function, arguments), screen
        self._channels: dict[int, Channel] = {}
        self._processes: dict[int, SpawnProcess] = {}
        self._deaths = dict.fromkeys((member.number for member in crew), 0)
        self._members = {member.number: member for member in crew}
        self._problem: ConfigError | None = None

    def run(self, stop: Stop) -> None:
        try:
            for number in self._members:
                self._start(number)
            while self._processes:
                self._wait()
        except Stopped as stopped:
            self._pass_on(stopped.signal)
            raise
        except BaseException:
            self._pass_on(signal.SIGTERM)
            raise
        if self._problem is not None:
            raise self._problem

    def _start(self, number: int) -> None:
        ours, theirs = self._context.Pipe(duplex=False)
        function, arguments = self._target
        process = self._context.Process(
            target=run_worker, args=(theirs, self._members[number], function, arguments), name=f"worker {number}"
        )
        process.start()
        theirs.close()
        self._processes[number], self._channels[number] = process, Channel(ours)

    def _wait(self) -> None:
        """For the next message or end."""
        pipes = [channel.pipe for channel in self._channels.values()]
        multiprocessing.connection.wait([*pipes, *(p.sentinel for p in self._processes.values())], timeout=1.0)
        for number, channel in list(self._channels.items()):
            channel.show(self._screen, number, self._settled)
        for number, process in list(self._processes.items()):
            if not process.is_alive():
                self._ended(number, process)

    def _settled(self) -> None:
        """Some run ended: whatever killed workers does not do so always."""
        self._deaths = dict.fromkeys(self._deaths, 0)

    def _ended(self, number: int, process: SpawnProcess) -> None:
        process.join()
        channel = self._channels.pop(number)
        channel.show(self._screen, number, self._settled)
        del self._processes[number]
        code = process.exitcode or 0
        if code == 0 or self._problem is not None:
            return
        if channel.problem is not None:
            self._fail(ConfigError(channel.problem))
        elif code > 0 and code - 128 not in SIGNALS:
            self._fail(WorkerFailed(f"worker {number} ended with an error (exit code {code}), which is told above"))
        else:
            self._deaths[number] += 1
            if self._deaths[number] > _MOST_DEATHS:
                self._fail(WorkerFailed(f"worker {number} died {_MOST_DEATHS} times; see to the machine's memory"))
                return
            name = signal.Signals(code - 128 if code > 0 else -code).name
            self._screen.line(f"worker {number} was ended by {name}; another takes its place")
            self._start(number)

    def _fail(self, problem: ConfigError) -> None:
        """Stop the others; the first problem is told."""
        self._problem = problem
        for process in self._processes.values():
            process.terminate()

    def _pass_on(self, number: int) -> None:
        """To the workers, which are in a process group of their own; waits for them. A second signal is passed on too,
        and then they have a while."""
        self._signal(number)
        try:
            self._drain(None)
        except Stopped as again:
            self._signal(again.signal)
            self._drain(time.monotonic() + _GRACE)
        finally:
            for process in self._processes.values():
                process.kill()

    def _drain(self, until: float | None) -> None:
        """Wait until all workers have ended, showing what they say."""
        while (alive := self._alive()) and (until is None or time.monotonic() < until):
            multiprocessing.connection.wait([process.sentinel for process in alive], timeout=0.2)
            for worker, channel in self._channels.items():
                channel.show(self._screen, worker, self._settled)

    def _signal(self, number: int) -> None:
        for process in self._alive():
            if process.pid is not None:
                os.kill(process.pid, number)

    def _alive(self) -> list[SpawnProcess]:
        return [process for process in self._processes.values() if process.is_alive()]
