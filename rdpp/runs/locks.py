"""Locks: who works at what, as whoever offers them must do it."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol


class HoldLost(Exception):
    """A lock is another machine's now: what was done under it is that machine's to do."""


class Hold(Protocol):
    """A lock that is held."""

    def check(self) -> None:
        """Raise HoldLost if it is held no longer."""
        ...


class Locks(Protocol):
    """Between all processes that work at the same things."""

    def lock(self, name: str) -> AbstractContextManager[None]:
        """Hold a lock; waits until it is free."""
        ...

    def lock_if_free(self, name: str) -> AbstractContextManager[Hold | None]:
        """Hold a lock, if nobody else does; gives None if somebody does."""
        ...

    def present(self, name: str) -> AbstractContextManager[Callable[[], bool]]:
        """Be present at something; gives a function that tells whether another process is present at it too."""
        ...


def run_lock(training: str) -> str:
    """The name of a run's lock, by its `Identity.training`."""
    return f"run-{training}"
