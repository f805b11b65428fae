"""Workers as tasks of a Ray cluster. Ray says on which node, and starts those anew that are lost."""

import dataclasses
import functools
import os
import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import RayError, TaskCancelledError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from rdpp.addresses import shown
from rdpp.config import ConfigError
from rdpp.display.screen import Terminal
from rdpp.engine import code_digest
from rdpp.folders import home_expanded
from rdpp.runs import Notes, Tree
from rdpp.stopping import Stop
from rdpp.tracking.conventions.location import WORK_FOLDER_VARIABLE
from rdpp.workers.member import Member
from rdpp.workers.process import Speech, serve
from rdpp.workers.ray_members import Demand
from rdpp.workers.watch import Watch, WorkerFailed

_LOOK = 0.2
"""Seconds between two looks at the workers."""
_LAST_WORDS = 10.0
"""Seconds that a message may take."""
_LONG = 30.0
"""Seconds after which a person is told that no worker has begun."""
_NODE_FOLDER = "~/.cache/rdpp/work"
_BEGUN = "begun"


@dataclass(frozen=True)
class Surroundings:
    """What a worker takes from the command. It goes there as an argument: Ray writes the variables of a `runtime_env`
    into logs and command lines, and there are passwords among these."""

    variables: Mapping[str, str]
    work_folder: str | None
    """The command's, where it is the workers' too; None: the node's own."""
    code: str
    """Digest of the deciding code."""

    def take(self) -> None:
        """Let this process have the variables."""
        own = os.environ.get(WORK_FOLDER_VARIABLE)
        os.environ.update(self.variables)
        folder = self.work_folder or own or os.environ.get(WORK_FOLDER_VARIABLE) or _NODE_FOLDER
        os.environ[WORK_FOLDER_VARIABLE] = str(home_expanded(folder, WORK_FOLDER_VARIABLE))

    def check_code(self) -> None:
        """Raise ConfigError if this node has other code."""
        if code_digest() != self.code:
            raise ConfigError(
                f"the node {socket.gethostname()} has another rdpp (code {code_digest()}) than the command "
                f"({self.code}); install the same on every node"
            )


@ray.remote(num_cpus=0, max_task_retries=-1)
class _Board:
    """What workers say and note; lives beside the command.

    A call that a broken connection has interrupted is made again by Ray, though it may have been answered.
    """

    def __init__(self) -> None:
        self._messages: list[tuple[int, tuple[Any, ...]]] = []
        self._taken = 0
        self._notes: dict[int, str] = {}

    def say(self, worker: int, message: tuple[Any, ...]) -> None:
        self._messages.append((worker, message))

    def take(self, known: int) -> list[tuple[int, tuple[Any, ...]]]:
        """What was said after the first `known` messages, which are forgotten."""
        del self._messages[: known - self._taken]
        self._taken = known
        return self._messages

    def get(self, place: int) -> str | None:
        return self._notes.get(place)

    def put(self, place: int, text: str) -> None:
        self._notes[place] = text


@dataclass(frozen=True)
class _BoardNotes:
    """Implements `Notes`."""

    board: Any

    def get(self, place: int) -> str | None:
        """See `Notes.get`."""
        return ray.get(self.board.get.remote(place))

    def put(self, place: int, text: str) -> None:
        """See `Notes.put`."""
        ray.get(self.board.put.remote(place, text))


class _Outlet:
    """Implements `Outlet`. Nobody waits for an answer: it is no matter to a worker whether somebody looks."""

    def __init__(self, board: Any, number: int) -> None:
        self._board, self._number = board, number
        self._last: Any = None

    def send(self, message: tuple[Any, ...]) -> None:
        """See `Outlet.send`."""
        self._last = self._board.say.remote(self._number, message)

    def flush(self) -> None:
        """Wait a little until all has come."""
        ray.wait([self._last], timeout=_LAST_WORDS)


@ray.remote(max_calls=1)  # the process ends with its worker, and what it holds with it
def _work(
    board: Any, member: Member, surroundings: Surroundings, function: Callable[..., None], arguments: tuple[Any, ...]
) -> int:
    surroundings.take()
    outlet = _Outlet(board, member.number)
    outlet.send((_BEGUN, ray.get_runtime_context().get_node_id(), socket.gethostname()))
    try:
        return serve(outlet, member, functools.partial(_checked, surroundings, function), arguments)
    finally:
        outlet.flush()


def _checked(surroundings: Surroundings, function: Callable[..., None], *given: Any) -> None:
    surroundings.check_code()
    function(*given)


def _new_board() -> Any:
    return _Board.options(scheduling_strategy=_here()).remote()


def _here() -> NodeAffinitySchedulingStrategy:
    """On the command's node and nowhere else: another may be lost."""
    return NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)


@dataclass(frozen=True)
class RayTeam:
    """Implements `Team`, within `joined`."""

    members: Sequence[Member]
    demand: Demand
    surroundings: Surroundings
    here_alone: bool
    """Whether all workers must be on the command's own node."""
    board: Any = dataclasses.field(default_factory=_new_board)
    alone = False

    def notes(self, tree: Tree) -> AbstractContextManager[Notes]:
        """See `Team.notes`."""
        return nullcontext(_BoardNotes(self.board))

    def run(
        self, function: Callable[..., None], arguments: tuple[Any, ...], tree: Tree, screen: Terminal, stop: Stop
    ) -> None:
        """See `Team.run`."""
        tree.finish()  # workers on other nodes look for the parents in the store
        count = f"{len(self.members)} workers, each" if len(self.members) > 1 else "1 worker"
        screen.line(f"Ray: {count} with {self.demand}")
        work = _work.options(
            num_cpus=self.demand.cpus,
            num_gpus=self.demand.gpus,
            max_retries=-1,  # of processes and nodes that are lost; `Watch` counts them
            scheduling_strategy=_here() if self.here_alone else "SPREAD",
        )

        def begin(member: Member) -> Any:
            return work.remote(self.board, member, self.surroundings, function, arguments)

        try:
            _RayWatch(self.members, begin, self.board, screen, stop).run()
        except RayError as error:
            reason = " ".join(shown(error).split())[:200]
            raise WorkerFailed(
                f"the Ray node of the command is lost ({reason}); the same command on another goes on"
            ) from None


class _RayWatch(Watch):
    def __init__(
        self, crew: Sequence[Member], begin: Callable[[Member], Any], board: Any, screen: Terminal, stop: Stop
    ) -> None:
        super().__init__(crew, screen)
        self._begin, self._board, self._stop = begin, board, stop
        self._tasks: dict[int, Any] = {}
        self._speeches: dict[int, Speech] = {}
        self._nodes: dict[int, str] = {}
        """Where workers have begun."""
        self._heard = 0
        """Messages so far."""
        self._asked = board.take.remote(self._heard)
        self._told_after: float | None = time.monotonic() + _LONG

    def start(self, number: int) -> None:
        """See `Watch.start`."""
        self._nodes.pop(number, None)
        self._speeches[number] = Speech()
        self._tasks[number] = self._begin(self.members[number])

    def left(self) -> bool:
        """See `Watch.left`."""
        return bool(self._tasks)

    def signal(self, number: int) -> None:
        """See `Watch.signal`: Ray knows one only, that of Ctrl-C. A task that has not begun is dropped."""
        for task in self._tasks.values():
            ray.cancel(task)

    def kill(self) -> None:
        """See `Watch.kill`."""
        for task in self._tasks.values():
            ray.cancel(task, force=True)

    def wait(self) -> None:
        """See `Watch.wait`. It sleeps here and not in a call of Ray, which swallows what a signal's handler raises."""
        if self.leaving:
            time.sleep(_LOOK)
        else:
            self._stop.sleep(_LOOK)
        self._hear(0.0)
        ended, _ = ray.wait(list(self._tasks.values()), num_returns=len(self._tasks), timeout=0)
        for number, task in list(self._tasks.items()):
            if task in ended:
                self._ended(number, task)
        self._tell_of_waiting()

    def _hear(self, patience: float) -> bool:
        """Show what workers have said. Whether there was something."""
        if not ray.wait([self._asked], timeout=patience)[0]:
            return False
        messages = ray.get(self._asked)
        self._heard += len(messages)
        self._asked = self._board.take.remote(self._heard)
        for number, message in messages:
            if message[0] == _BEGUN:
                self._begun(number, *message[1:])
            else:
                self._speeches[number].hear(message, self.screen, number, self.settled)
        return bool(messages)

    def _begun(self, number: int, node: str, host: str) -> None:
        """A worker begins; if it has begun before, Ray does so once more."""
        self._told_after = None
        if number in self._nodes:
            self.died(number, "was lost with its process or its node")
        self._nodes[number], self._speeches[number] = node, Speech()
        self.screen.line(f"worker {number} begins on {host}")

    def _ended(self, number: int, task: Any) -> None:
        while self._hear(_LAST_WORDS):
            pass
        self._tasks.pop(number, None)
        code: int
        try:
            code = ray.get(task)  # pyright: ignore[reportAssignmentType]  (one task, not several)
        except TaskCancelledError:
            code = 128 + signal.SIGINT
        except RayError as error:
            self.screen.line(shown(error))
            code = 1
        if code == 0:
            self._drop_waiting()
        self.judge(number, code, self._speeches[number].problem)

    def _drop_waiting(self) -> None:
        """A worker that ends well has found nothing left to do: those that wait for a node need not begin."""
        alive = {node["NodeID"] for node in ray.nodes() if node["Alive"]}
        for number in [number for number in self._tasks if self._nodes.get(number) not in alive]:
            ray.cancel(self._tasks.pop(number))

    def _tell_of_waiting(self) -> None:
        if self._told_after is not None and time.monotonic() > self._told_after:
            self._told_after = None
            self.screen.line("no worker has begun: they wait for a node that is free (see: ray status)")
