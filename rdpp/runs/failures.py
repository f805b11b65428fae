"""How a run failed: what it means for the runs after it."""

from dataclasses import dataclass
from typing import Literal

import torch

from rdpp.config import ConfigError
from rdpp.metrics import NotFinite
from rdpp.stopping import Stopped

Kind = Literal["diverged", "input", "memory", "error", "died"]

MOST_IN_A_ROW = 5
"""Failures of one kind, one after the other, that end a command."""
_AGAIN: frozenset[Kind] = frozenset({"memory", "error"})
_TRIES = 2
"""Of a run that failed in a way that may not happen again."""
_LONGEST = 500


class EndsWork(ConfigError):
    """What a user can mend and what would meet every run: it ends the command, and no run has failed."""


class DiedAgain(RuntimeError):
    """A run began at the same place many times, and its process died each time."""


def goes_on(error: BaseException) -> bool:
    """Whether a run that ended with this error goes on later from its last state: it was stopped, the disk is full, or
    the command as a whole had to end."""
    return isinstance(error, Stopped | KeyboardInterrupt | OSError | EndsWork)


@dataclass(frozen=True)
class Failure:
    """A run that ended with an error."""

    kind: Kind
    """`diverged`: losses or maps became infinite or NaN; `input`: images or settings that cannot be used; `memory`: not
    enough; `error`: another error of the computation; `died`: its process died again and again."""
    reason: str

    @property
    def again(self) -> bool:
        """Whether the same run may succeed another time."""
        return self.kind in _AGAIN

    def may_try(self, tries: int) -> bool:
        """Whether the run is tried again after so many tries."""
        return self.again and tries < _TRIES

    @classmethod
    def of(cls, error: Exception) -> "Failure | None":
        """What an error of a run is; None where it is a fault of the code, or of the machine around it."""
        reason = " ".join(str(error).split())[:_LONGEST]
        if isinstance(error, NotFinite):
            return cls("diverged", reason)
        if isinstance(error, DiedAgain):
            return cls("died", reason)
        if isinstance(error, ConfigError):
            return cls("input", reason)
        if isinstance(error, MemoryError | torch.OutOfMemoryError) or "not enough memory" in reason:
            remedy = "set a smaller training.batch_size or feature_cache_gb, or start fewer workers a device"
            return cls("memory", f"out of memory: {remedy} ({reason})"[:_LONGEST])
        if isinstance(error, RuntimeError | ValueError | ArithmeticError):
            return cls("error", f"{type(error).__name__}: {reason}"[:_LONGEST])
        return None


class Streak:
    """Counts failures of one kind that come one after the other."""

    def __init__(self) -> None:
        self._last: list[Failure] = []

    def note(self, failure: Failure | None) -> None:
        """A run ended, well (None) or with a failure.

        Raises:
            ConfigError: that many of one kind came in a row that others would fail too.
        """
        same = failure is not None and (not self._last or self._last[0].kind == failure.kind)
        self._last = [*(self._last if same else []), *([failure] if failure else [])]
        if len(self._last) >= MOST_IN_A_ROW:
            raise ConfigError(
                f"the last {len(self._last)} runs failed alike, and others would too; the last one: "
                f"{self._last[-1].reason}"
            )
