"""Workers of one kind, as the commands use them."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from rdpp.display.screen import Terminal
from rdpp.runs import Notes, Tree, notes_folder
from rdpp.stopping import Stop
from rdpp.workers.crew import run_crew
from rdpp.workers.member import Member


class Team(Protocol):
    """The workers of a command."""

    @property
    def members(self) -> Sequence[Member]:
        """At least one."""
        ...

    @property
    def alone(self) -> bool:
        """Whether the command does the work itself, as its only member."""
        ...

    def notes(self, tree: Tree) -> AbstractContextManager[Notes]:
        """Notes that the command and its workers share."""
        ...

    def run(
        self, function: Callable[..., None], arguments: tuple[Any, ...], tree: Tree, screen: Terminal, stop: Stop
    ) -> None:
        """Let each member call `function(member, screen, stop, *arguments)` until all have ended.

        Args:
            function: of a module; pickled by its name.
            arguments: are pickled.
            tree: the command's, with the parents of the runs.
            screen: shows what they do.
            stop: of this process.

        Raises:
            ConfigError, WorkerFailed, Stopped: see `Watch.run`.
        """
        ...


@dataclass(frozen=True)
class LocalTeam:
    """Implements `Team` with processes of this machine."""

    members: Sequence[Member]

    @property
    def alone(self) -> bool:
        """See `Team.alone`."""
        return len(self.members) == 1

    def notes(self, tree: Tree) -> AbstractContextManager[Notes]:
        """See `Team.notes`."""
        return notes_folder(tree)

    def run(
        self, function: Callable[..., None], arguments: tuple[Any, ...], tree: Tree, screen: Terminal, stop: Stop
    ) -> None:
        """See `Team.run`. The tree's work folder is the workers' too, and `stop` raises wherever this waits."""
        run_crew(self.members, function, arguments, screen)
