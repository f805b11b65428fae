"""Locks between machines: PostgreSQL's advisory locks.

The server frees a lock when the connection of its holder ends: that of a process that is killed at once, that of a
machine that is lost after half a minute of silence. A process that is suspended keeps its locks. A restart of the
server frees all of them. So for `GRACE` seconds after its start nobody may take a new one, and those who held some take
them again.
"""

import hashlib
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import sqlalchemy
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from rdpp.addresses import shown
from rdpp.config import ConfigError
from rdpp.runs.locks import HoldLost
from rdpp.runs.patience import Patience
from rdpp.runs.work_folder import WorkFolder

GRACE = 10.0
"""Seconds after the server's start in which locks are only taken by those who held them."""
_PULSE = 2.0
"""Seconds between two looks at the connection."""
_ALIVE = {"keepalives_idle": 15, "keepalives_interval": 5, "keepalives_count": 3}
"""When either side takes the other for lost: after 15 + 3 x 5 seconds of silence."""
_NEXT_TRY = (0.01, 0.3)
"""Seconds between tries to get a lock: first, and at most."""

_TAKE = """select case when clock_timestamp() - pg_postmaster_start_time() < make_interval(secs => :grace) then false
           else pg_try_advisory_lock{shared}(:key) end"""
_TAKE_AGAIN = "select pg_try_advisory_lock{shared}(:key)"
_GIVE_BACK = "select pg_advisory_unlock{shared}(:key)"
_OTHERS = """select clock_timestamp() - pg_postmaster_start_time() < make_interval(secs => :grace) or exists(
             select 1 from pg_locks where locktype = 'advisory' and objsubid = 1 and pid <> pg_backend_pid()
             and database = (select oid from pg_database where datname = current_database())
             and (classid::bigint << 32) | objid::bigint = :key)"""
_WHO = "select pid, backend_start from pg_stat_activity where pid = pg_backend_pid()"
_END_OLD = "select pg_terminate_backend(pid) from pg_stat_activity where pid = :pid and backend_start = :start"


@dataclass(eq=False)
class AdvisoryHold:
    """Implements `Hold`."""

    name: str
    shared: bool
    lost: bool = False

    def check(self) -> None:
        """See `Hold.check`."""
        if self.lost:
            raise HoldLost(f"the lock {self.name} was lost with the connection to PostgreSQL, and another has it now")


class AdvisoryLocks:
    """Implements `Locks`: of this machine's processes first, then of all machines that use one database."""

    def __init__(self, session: "Session", work: WorkFolder, *, patient: bool = True) -> None:
        """Args:
        session: the connection.
        work: this machine's work folder; its locks are taken too.
        patient: whether a server that is away is waited for; else its error is raised.
        """
        self._session, self._work, self._patient = session, work, patient

    def impatient(self) -> "AdvisoryLocks":
        """The same locks for a thread that has its own way to wait."""
        return AdvisoryLocks(self._session, self._work, patient=False)

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """See `Locks.lock`."""
        with self._work.lock(name), self._session.holding(self._wait_for(name)):
            yield

    @contextmanager
    def lock_if_free(self, name: str) -> Iterator[AdvisoryHold | None]:
        """See `Locks.lock_if_free`."""
        with self._work.lock_if_free(name) as free:
            hold = self._session.take(name, patient=self._patient) if free else None
            if hold is None:
                yield None
                return
            with self._session.holding(hold):
                yield hold

    @contextmanager
    def present(self, name: str) -> Iterator[Callable[[], bool]]:
        """See `Locks.present`."""
        with self._work.present(name) as here, self._session.holding(self._wait_for(name, shared=True)):
            yield lambda: here() or self._session.others(name)

    def _wait_for(self, name: str, *, shared: bool = False) -> AdvisoryHold:
        wait, longest = _NEXT_TRY
        while (hold := self._session.take(name, shared=shared, patient=self._patient)) is None:
            time.sleep(wait * random.uniform(0.5, 1.0))
            wait = min(1.5 * wait, longest)
        return hold


@contextmanager
def between_machines(url: str, work: WorkFolder, *, must_be_there: bool = True) -> Iterator[AdvisoryLocks]:
    """The locks of a PostgreSQL database, for the length of the block.

    Args:
        url: of the database.
        work: this machine's own locks.
        must_be_there: whether a database that is away now is an error; else it is waited for when it is needed.

    Raises:
        ConfigError: it cannot be used, or it is away.
    """
    session = Session(url, must_be_there=must_be_there)
    try:
        yield AdvisoryLocks(session, work)
    finally:
        session.close()


class Session:
    """One connection to PostgreSQL, and the locks that it holds. A thread sees to it that it lives."""

    def __init__(self, url: str, *, must_be_there: bool = True, grace: float = GRACE, pulse: float = _PULSE) -> None:
        """Connect.

        Args:
            url: of the database, as SQLAlchemy takes it.
            must_be_there: see `between_machines`.
            grace, pulse: see the module.

        Raises:
            ConfigError: it is away, or its driver is missing.
        """
        self._grace, self._pulse = grace, pulse
        self._mutex, self._closing = threading.RLock(), threading.Event()
        self._held: list[AdvisoryHold] = []
        self._connection: sqlalchemy.Connection | None = None
        self._backend: dict[str, Any] | None = None
        try:
            self._engine = sqlalchemy.create_engine(
                url,
                poolclass=sqlalchemy.NullPool,
                isolation_level="AUTOCOMMIT",
                connect_args={"connect_timeout": 10, **_ALIVE},
            )
            if must_be_there:
                self._connected()
        except (SQLAlchemyError, ImportError) as error:
            reason = " ".join(shown(error).split())[:200]
            raise ConfigError(
                f"the storage {shown(url)} cannot be used ({reason}); give another with --storage URL"
            ) from None
        self._what = f"PostgreSQL at {shown(url)}"
        self._thread = threading.Thread(target=self._keep_alive, name="locks", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Free all locks."""
        self._closing.set()
        self._thread.join()
        self._drop()
        self._engine.dispose()

    def take(self, name: str, *, shared: bool = False, patient: bool = True) -> AdvisoryHold | None:
        """Take a lock if it is free; None if it is not.

        Args:
            name: of the lock.
            shared: held together with others that take it so.
            patient: whether a server that is away is waited for.

        Raises:
            EndsWork: it was waited for in vain.
            DBAPIError: it is away, and is not to be waited for.
        """
        hold = AdvisoryHold(name, shared)
        patience = Patience(self._what) if patient else None
        while True:
            try:
                with self._mutex:
                    if not self._ask(_TAKE, hold, grace=self._grace):
                        return None
                    self._held.append(hold)
                    return hold
            except DBAPIError as error:
                if patience is None:
                    raise
                patience.wait(error)

    @contextmanager
    def holding(self, hold: AdvisoryHold) -> Iterator[None]:
        """Free a lock at the end of the block. If the server is away, it has freed it already."""
        try:
            yield
        finally:
            with self._mutex:
                if hold in self._held:
                    self._held.remove(hold)
                    if self._connection is not None:
                        with suppress(DBAPIError):
                            self._ask(_GIVE_BACK, hold)

    def others(self, name: str) -> bool:
        """Whether another connection holds a lock, or may do so: just after the server's start nobody knows.

        Raises:
            EndsWork: the server is away and does not come back.
        """
        patience = Patience(self._what)
        while True:
            try:
                with self._mutex:
                    return bool(self._ask(_OTHERS, AdvisoryHold(name, shared=True), grace=self._grace))
            except DBAPIError as error:
                patience.wait(error)

    def _ask(self, query: str, hold: AdvisoryHold, **values: Any) -> Any:
        statement = query.format(shared="_shared" if hold.shared else "")
        try:
            return self._connected().scalar(sqlalchemy.text(statement), {"key": lock_key(hold.name), **values})
        except DBAPIError:
            self._drop()
            raise

    def _connected(self) -> sqlalchemy.Connection:
        """The connection; a new one takes again what the last one held."""
        if self._connection is None:
            connection = self._engine.connect()
            for name, value in _ALIVE.items():
                connection.execute(sqlalchemy.text(f"set tcp_{name} = {value}"))
            if self._backend is not None:  # of our old connection, which the server may not know to be broken
                connection.execute(sqlalchemy.text(_END_OLD), self._backend)
            self._connection = connection
            pid, start = connection.execute(sqlalchemy.text(_WHO)).one()
            self._backend = {"pid": pid, "start": start}
            for hold in list(self._held):
                if not self._ask(_TAKE_AGAIN, hold):
                    hold.lost = True
                    self._held.remove(hold)
        return self._connection

    def _drop(self) -> None:
        with self._mutex:
            connection, self._connection = self._connection, None
            if connection is not None:
                with suppress(DBAPIError):
                    connection.invalidate()
                connection.close()

    def _keep_alive(self) -> None:
        while not self._closing.wait(self._pulse):
            with self._mutex, suppress(DBAPIError):  # tried again at the next pulse
                try:
                    self._connected().scalar(sqlalchemy.text("select 1"))
                except DBAPIError:
                    self._drop()
                    raise


def lock_key(name: str) -> int:
    """The number by which PostgreSQL knows a lock: 64 bits with a sign."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big", signed=True)
