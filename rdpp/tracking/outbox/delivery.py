"""Tracking off the critical path: a thread that sends to MLflow what its process has put into outboxes."""

import shutil
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from rdpp.addresses import shown
from rdpp.config import ConfigError
from rdpp.runs.patience import PATIENCE
from rdpp.stopping import Stopped
from rdpp.tracking.outbox.outboxes import Outbox, Outboxes
from rdpp.tracking.outbox.records import Kind
from rdpp.tracking.outbox.sender import Held, Sender, Sink, finish_dead, is_alive

_FIRST_PAUSE, _LONGEST_PAUSE, _HELD_PAUSE = 1.0, 30.0, 0.05


def tell(line: str) -> None:
    """A line on standard error."""
    print(f"rdpp: {line}", file=sys.stderr)


class Delivery:
    """Writes records to outboxes at once, and sends them while their owner goes on.

    A store that is away is tried again and again; its owner goes on, and what is not sent in the end waits on disk. An
    error of another kind is raised at the owner's next `check`, `finish` or at the end.
    """

    def __init__(
        self,
        outboxes: Outboxes,
        open_sink: Callable[[], Sink],
        uri: str,
        *,
        outage: Callable[[BaseException], str | None],
        tell: Callable[[str], None] = tell,
        patience: float = PATIENCE,
    ) -> None:
        """Args:
        outboxes: of the store.
        open_sink: called in the thread, before the first record is sent.
        uri: of the store, to be shown.
        outage: see `Sender`.
        tell: is given lines for a person.
        patience: seconds that `end` waits for a store that is away.
        """
        self.outboxes, self._open, self._uri = outboxes, open_sink, uri
        self._outage, self._tell, self._patience = outage, tell, patience
        self._sender: Sender | None = None
        self._due: dict[Outbox, int] = {}
        """Outboxes with records of this process that are not sent, and how many of them it has put."""
        self._left: list[Outbox] = []
        """Outboxes that processes which are gone have left."""
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._ending = self._abandoned = False
        self._held = self._dead = self._done = False
        self.away: str | None = None
        """Why the store is away, if it is."""
        self.error: BaseException | None = None
        """The first that is no outage."""

    def put(self, outbox: Outbox, kind: Kind, payload: Mapping[str, Any], name: str | None = None) -> None:
        """Put a record; see `Outbox.put`."""
        outbox.put(kind, payload, name)
        self.notice(outbox)

    def notice(self, outbox: Outbox) -> None:
        """Send what was put into an outbox."""
        with self._changed:
            self._due[outbox] = self._due.get(outbox, 0) + 1
            self._changed.notify_all()

    def drop(self, outbox: Outbox) -> None:
        """Send nothing more of an outbox."""
        with self.outboxes.lock(outbox):
            shutil.rmtree(outbox.folder, ignore_errors=True)
        with self._changed:
            self._due.pop(outbox, None)
            self._changed.notify_all()

    def start(self) -> None:
        """Begin to send, where that is not so yet."""
        if self._thread is None:
            self._left = self.outboxes.all()
            self._thread = threading.Thread(target=self._work, name="tracking", daemon=True)
            self._thread.start()

    def check(self) -> None:
        """Raise the first error that was no outage."""
        if self.error is not None:
            raise self.error

    def finish(self) -> None:
        """Wait until all of this process is sent, unless the store is away: records are safe then too."""
        self.start()
        with self._changed:
            self._changed.wait_for(lambda: not self._due or self.away is not None or self._dead)
        self.check()

    def wait(self) -> None:
        """The same, but wait for a store that is away.

        Raises:
            ConfigError: it does not come back.
        """
        self.start()
        with self._changed:
            self._await_store(lambda: not self._due)
        self.check()
        if self.away is not None:
            raise ConfigError(
                f"the MLflow store {shown(self._uri)} is away ({self.away}); give the command again later"
            )

    def end(self, error: BaseException | None) -> None:
        """Send all, and wait for a store that is away no longer than the patience allows; where the owner was stopped
        by the user, not at all.

        `error`: that ends the owner's work.
        """
        self.start()
        if isinstance(error, KeyboardInterrupt | Stopped):
            self._patience = 0.0
        with self._changed:
            self._ending = True
            self._left = [] if error is not None else self.outboxes.all()  # of processes killed since the start, too
            self._changed.notify_all()
            try:
                self._await_store(lambda: self._done)
            finally:
                self._abandoned = True
                self._changed.notify_all()
        undelivered = self.away is not None or self._due or error is not None  # else others send what waits
        if undelivered and (waiting := self.outboxes.count()):
            those = "1 record waits" if waiting == 1 else f"{waiting} records wait"
            self._tell(f"{those} in {self.outboxes.root}; send with: rdpp sync --tracking-uri {shown(self._uri)}")
        if error is None:
            self.check()

    def _await_store(self, done: Callable[[], bool]) -> None:
        """Wait until it is so, as long as something is sent; for a store that is away no longer than the patience."""
        until = time.monotonic() + self._patience
        while not done() and not self._dead:
            if (self.away is not None or self._held) and time.monotonic() >= until:
                return
            self._changed.wait(0.2)

    def _work(self) -> None:
        try:
            self._send_all()
        finally:
            with self._changed:
                self._done = True
                self._changed.notify_all()

    def _send_all(self) -> None:
        pause = _FIRST_PAUSE
        while (outbox := self._next()) is not None:
            try:
                self._deliver(outbox)
                self._note_back()
                pause = _FIRST_PAUSE
            except Held:
                self._put_off(outbox)
                self._sleep(_HELD_PAUSE)
            except BaseException as error:  # noqa: BLE001 - the owner raises it
                reason = self._outage(error)
                if reason is None:
                    self._die(error)
                    return
                self._note_away(reason)
                self._sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)

    def _next(self) -> Outbox | None:
        """The next outbox, this process's own ones first; None where nothing is left to be done."""
        with self._changed:
            self._changed.wait_for(lambda: self._due or self._left or self._ending or self._abandoned)
            if self._abandoned:
                return None
            return next(iter(self._due), None) or next(iter(self._left), None)

    def _deliver(self, outbox: Outbox) -> None:
        with self._changed:
            puts = self._due.get(outbox)
        if self._sender is None:
            self._sender = Sender(self.outboxes, self._open(), self._outage)
        if puts is None:
            self._deliver_left(self._sender, outbox)
            return
        error = self._sender.send(outbox, self.error)
        with self._changed:
            self.error = self.error or error
            self._held = False
            if self._due.get(outbox) == puts:
                del self._due[outbox]
            self._changed.notify_all()

    def _deliver_left(self, sender: Sender, outbox: Outbox) -> None:
        """What another process has left is no concern of the owner's."""
        finish_dead(self.outboxes, outbox)
        error = None if is_alive(self.outboxes, outbox) else sender.send(outbox)
        if error is not None:
            self._tell(f"MLflow refused records that lie in {outbox.records} ({type(error).__name__}: {error})")
        self._put_off(outbox)

    def _put_off(self, outbox: Outbox) -> None:
        """An outbox that another process sends: own ones come again, after the others."""
        with self._changed:
            if outbox in self._due:
                self._due[outbox] = self._due.pop(outbox)
                self._held = True
            else:
                self._left = [left for left in self._left if left != outbox]
            self._changed.notify_all()

    def _sleep(self, seconds: float) -> None:
        """Shorter where the end comes."""
        with self._changed:
            ending = self._ending
            self._changed.wait_for(lambda: self._abandoned or self._ending != ending, seconds)

    def _note_away(self, reason: str) -> None:
        with self._changed:
            first, self.away = self.away is None, reason
            self._changed.notify_all()
        if first:
            self._tell(f"the MLflow store {shown(self._uri)} is away ({reason}); records wait in {self.outboxes.root}")

    def _note_back(self) -> None:
        with self._changed:
            was, self.away = self.away, None
        if was is not None:
            self._tell(f"the MLflow store {shown(self._uri)} is back")

    def _die(self, error: BaseException) -> None:
        with self._changed:
            self.error = self.error or error
            self._dead = True
            self._changed.notify_all()
