"""Waiting for a database that is away."""

import time

from rdpp.addresses import shown
from rdpp.runs.failures import EndsWork

PATIENCE = 120.0
"""Seconds that an absent database or server is waited for."""
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 10.0


class Patience:
    """Waits between the tries of one thing, longer each time, and ends the work when it has taken too long."""

    def __init__(self, what: str) -> None:
        """`what` is away: begins the message."""
        self._what = what
        self._until, self._wait = time.monotonic() + PATIENCE, _FIRST_WAIT

    def wait(self, error: BaseException) -> None:
        """Wait a little, after a try that ended with an error.

        Raises:
            EndsWork: it has been away for too long.
        """
        if time.monotonic() > self._until:
            reason = " ".join(shown(error.__cause__ or error).split())[:200]
            raise EndsWork(
                f"{self._what} has been away for {PATIENCE:.0f} s ({reason}); start it, and the same command goes on"
            ) from None
        time.sleep(self._wait)
        self._wait = min(2 * self._wait, _LONGEST_WAIT)
