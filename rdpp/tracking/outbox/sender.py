"""Sends what waits in outboxes to MLflow, record by record, in order."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from rdpp.runs import run_lock
from rdpp.tracking.outbox.outboxes import RESULT, Home, Outbox, Outboxes
from rdpp.tracking.outbox.records import Record


class Sink(Protocol):
    """Where records go."""

    def write(self, record: Record, failure: BaseException | None) -> None:
        """Write one; `failure` is that of an earlier one."""
        ...

    def knows(self, node: str) -> bool:
        """Whether a node has been opened there."""
        ...


class Held(Exception):
    """Another process sends the same outbox at this moment."""


class Sender:
    """Sends outboxes. One process at a time sends one outbox."""

    def __init__(self, outboxes: Outboxes, sink: Sink, outage: Callable[[BaseException], str | None]) -> None:
        """Args:
        outboxes: of the store.
        sink: writes to it.
        outage: why the store is away, if that is what an error means; see rdpp.tracking.store.outage.
        """
        self._outboxes, self._sink, self._outage = outboxes, sink, outage
        self.sent = 0
        """Records so far."""

    def send(self, outbox: Outbox, failure: BaseException | None = None) -> BaseException | None:
        """Send all that waits in an outbox; a closed node's folder is removed.

        A record that the store refuses is set aside, and the others are sent.

        Args:
            outbox: of a node.
            failure: of an earlier record; a run that would end well is marked by it.

        Returns:
            The first error of a record that was refused.

        Raises:
            Held: another process sends it; try again.
            Exception: the store is away; what was not sent waits.
        """
        first: BaseException | None = None
        with self._outboxes.lock_if_free(outbox) as free:
            if not free:
                raise Held
            while waiting := outbox.waiting():
                for path in waiting:
                    first = self._send(outbox, path, failure or first) or first
            outbox.remove()
        return first

    def _send(self, outbox: Outbox, path: Path, failure: BaseException | None) -> BaseException | None:
        """The error of a record that was refused."""
        if path.name in outbox.sent():
            path.unlink(missing_ok=True)
            return None
        try:
            record = outbox.read(path)
        except FileNotFoundError:  # taken back by the run, which goes on
            return None
        except Exception as error:  # noqa: BLE001 - the owner raises it
            outbox.refuse(path)
            return error
        try:
            for node in _needed(record):
                self._ensure(node)
            self._sink.write(record, failure)
        except Exception as error:
            if isinstance(error, Held) or self._outage(error) is not None:
                raise
            outbox.refuse(path)
            return error
        outbox.note_sent(path)
        self.sent += 1
        return None

    def _ensure(self, node: str) -> None:
        """Send what opens a node first, whoever put it."""
        if self._sink.knows(node):
            return
        outbox = self._outboxes.find(node)
        error = self.send(outbox) if outbox is not None else None
        if error is not None:
            raise error


def _needed(record: Record) -> list[str]:
    """The other nodes that must be open before a record can be written."""
    wanted = {"open": "parent", "take_over": "taken"}.get(record.kind)
    node = record.payload[wanted] if wanted else None
    return [node] if node else []


def is_alive(outboxes: Outboxes, outbox: Outbox) -> bool:
    """Whether a process trains the run: it sends what it puts itself."""
    return outbox.training is not None and outboxes.work.is_locked(run_lock(outbox.training))


def finish_dead(outboxes: Outboxes, outbox: Outbox) -> None:
    """Close a run that had finished when its process died before it could do so."""

    def unclosed() -> bool:
        return (outbox.folder / RESULT).is_file() and not outbox.is_over()

    if outbox.training is None or not unclosed():
        return
    with outboxes.work.lock_if_free(run_lock(outbox.training)) as free:  # else it lives, and closes it itself
        if free and unclosed():
            outbox.close("FINISHED", {})
            Home(outboxes.work.of(outbox.training)).leave(outbox.node)
