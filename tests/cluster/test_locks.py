"""PostgreSQL's locks: between machines, each of which has a work folder of its own."""

import contextlib
import threading
import time

import psycopg
import pytest
from sqlalchemy.exc import DBAPIError

from rdpp.config import ConfigError
from rdpp.runs import HoldLost, WorkFolder
from rdpp.runs.advisory import AdvisoryLocks, Session, between_machines, lock_key

pytestmark = pytest.mark.cluster

PULSE = 0.2


@pytest.fixture
def machine(postgres, tmp_path):
    """Makes the locks of another machine."""
    with contextlib.ExitStack() as sessions:

        def make(name):
            session = Session(postgres.url("optuna"), grace=0.0, pulse=PULSE)
            sessions.callback(session.close)
            return AdvisoryLocks(session, WorkFolder(tmp_path / name))

        yield make


def until(true, seconds=20.0):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def is_free(locks, name):
    with locks.lock_if_free(name) as hold:
        return hold is not None


def test_a_lock_is_held_by_one_machine(machine):
    here, there = machine("here"), machine("there")
    with here.lock_if_free("a") as hold:
        assert hold is not None
        hold.check()
        assert not is_free(there, "a")
        assert is_free(there, "b")
    assert is_free(there, "a")


def test_and_by_one_process_or_thread_of_a_machine(machine):
    """One session may take PostgreSQL's lock twice: the machine's own locks come first."""
    here = machine("here")
    with here.lock("a"):
        assert not is_free(here, "a")
    assert is_free(here, "a")


def test_a_lock_is_waited_for(machine):
    here, there, order = machine("here"), machine("there"), []
    thread = threading.Thread(target=lambda: take(there, "a", order))
    with here.lock("a"):
        thread.start()
        time.sleep(0.3)
        order.append("first")
    thread.join(20)
    assert order == ["first", "second"]


def take(locks, name, order):
    with locks.lock(name):
        order.append("second")


def test_who_is_present_knows_of_other_machines(machine):
    here, there = machine("here"), machine("there")
    with here.present("study") as others:
        assert not others()
        with there.present("study") as others_there, there.present("another"):
            assert others()
            assert others_there()
        assert not others()


def test_a_lock_is_free_when_its_machine_is_gone(machine, postgres):
    """Its connection ends, and it comes back too late."""
    here, there = machine("here"), machine("there")
    with here.lock_if_free("a") as hold:
        here._session._mutex.acquire()  # so that it cannot connect again for a while
        try:
            end_connections(postgres, here)
            until(lambda: is_free(there, "a"))
            with there.lock("a"):
                here._session._mutex.release()
                until(lambda: hold.lost)
        except BaseException:
            here._session._mutex.release()
            raise
        with pytest.raises(HoldLost, match="the lock a was lost"):
            hold.check()


def end_connections(postgres, locks):
    with psycopg.connect(postgres.url("optuna").replace("+psycopg", "")) as connection:
        connection.execute("select pg_terminate_backend(%s)", [locks._session._backend["pid"]])


def test_a_broken_connection_is_made_anew_with_its_locks(machine, postgres):
    here, there = machine("here"), machine("there")
    with here.lock_if_free("a") as hold, here.present("study"):
        before = here._session._backend
        end_connections(postgres, here)
        until(lambda: here._session._backend != before and here._session._connection is not None)
        hold.check()
        assert not is_free(there, "a")
        with there.present("study") as others:
            assert others()
    assert is_free(there, "a")


@pytest.mark.parametrize("end", ["restart", "kill"])
def test_after_a_restart_of_the_server_locks_belong_to_those_who_had_them(machine, postgres, end):
    here, there = machine("here"), machine("there")
    with here.lock_if_free("a") as hold:
        for locks in (here, there):
            locks._session._grace = 1e6  # the server has just started, for the whole test
        before = here._session._backend
        if end == "restart":
            postgres.restart("immediate")
        else:
            postgres.kill()
            postgres.start()
        assert not is_free(there, "b")  # nobody knows yet who had it
        until(lambda: here._session._backend != before)
        hold.check()
        there._session._grace = 0.0
        assert is_free(there, "b")
        assert not is_free(there, "a")


def test_an_absent_server_is_waited_for_or_told(machine, postgres, monkeypatch):
    here = machine("here")
    postgres.stop("immediate")
    with pytest.raises(DBAPIError), here.impatient().lock("a"):
        raise AssertionError("there is no server")
    threading.Timer(1.0, postgres.start).start()
    with here.lock("a"):
        pass
    postgres.stop("immediate")
    monkeypatch.setattr("rdpp.runs.patience.PATIENCE", 0.0)
    with pytest.raises(ConfigError, match=r"PostgreSQL at postgresql.* has been away for 0 s \(.*\); start it"):
        here.lock("b").__enter__()


def test_a_worker_that_starts_while_the_server_is_away_waits(postgres, tmp_path):
    url = postgres.url("optuna")
    postgres.stop("immediate")
    with pytest.raises(ConfigError, match="cannot be used"), between_machines(url, WorkFolder(tmp_path)):
        raise AssertionError("there is no server")
    threading.Timer(1.0, postgres.start).start()
    with between_machines(url, WorkFolder(tmp_path), must_be_there=False) as here, here.lock("a"):
        pass


def test_a_server_that_is_not_there_is_told_without_its_password():
    with pytest.raises(ConfigError, match="cannot be used") as error:
        Session("postgresql+psycopg://ann:s3cret@127.0.0.1:1/runs")
    assert "s3cret" not in str(error.value)


def test_names_of_locks_have_their_own_numbers():
    assert lock_key("run-a") == lock_key("run-a") != lock_key("run-b")
    assert -(2**63) <= lock_key("run-a") < 2**63
