"""MLflow's server as `rdpp ui` starts it, without MLflow's server."""

import socket
import sys
import webbrowser
from contextlib import nullcontext
from subprocess import Popen

import pytest

from rdpp.cli import main
from rdpp.runs import View
from rdpp.tracking.store.mlflow_store import Store
from rdpp.tracking.ui import server as module
from rdpp.tracking.ui.server import choose_port, pages
from rdpp.tracking.ui.views import write_view

VIEW = View("lr: trials", "trial", ("metrics", "objective"), ())


@pytest.fixture
def taken():
    """A port at which somebody listens."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


@pytest.fixture
def started(monkeypatch):
    """Commands and environments of servers; what is started instead ends at once, and well."""
    found = []

    def start(command, *, env, start_new_session):
        found.append((command, env))
        return Popen([sys.executable, "-c", ""], start_new_session=start_new_session)

    monkeypatch.setattr(module.subprocess, "Popen", start)
    return found


@pytest.fixture
def answering(monkeypatch):
    monkeypatch.setattr(module, "_wait_until_it_answers", lambda process, port: None)


def test_a_taken_port_is_one_line(taken, store_uri, capsys):
    assert main(["ui", "--port", str(taken), "--tracking-uri", store_uri]) == 2
    line = f"rdpp: port {taken} of 127.0.0.1 is taken; name another, or give --port 0 for a free one\n"
    assert capsys.readouterr().err == line


def test_what_is_no_port_is_one_line(store_uri, capsys):
    assert main(["ui", "--port", "70000", "--tracking-uri", store_uri]) == 2
    assert "--port must be from 0 to 65535, got 70000" in capsys.readouterr().err


def test_port_0_takes_the_next_free_one(taken, monkeypatch):
    monkeypatch.setattr(module, "FIRST_PORT", taken)
    assert taken < choose_port(0) < taken + 100
    monkeypatch.setattr(module, "_PORTS", 1)
    with pytest.raises(ValueError, match=f"the ports {taken} to {taken} of 127.0.0.1 are taken; name one with --port"):
        choose_port(0)


def test_it_names_the_pages_and_opens_the_first(new_store, tmp_path, started, answering, monkeypatch, capsys):
    store, opened = Store(new_store(tmp_path / "mlflow.db")), []
    store.client.create_run(store.experiment_id)
    for number in range(8):
        write_view(store, VIEW, f"n{number}", "r", number, nullcontext)
    monkeypatch.setattr(webbrowser, "open", opened.append)
    assert main(["ui", "--port", "0", "--open", "--tracking-uri", store.uri]) == 0
    *lines, last = capsys.readouterr().err.splitlines()
    assert last == "Ctrl-C ends it"
    names, addresses = zip(*(line.rsplit(": ", 1) for line in lines), strict=True)
    assert names == ("lr: trials",) * 6 + ("all runs",)
    assert ["viewStateShareKey=rdpp-n7-trial" in address for address in addresses] == [True] + [False] * 6
    assert opened == [addresses[0]]


def test_it_says_that_there_are_no_runs_yet(new_store, tmp_path, started, answering, capsys):
    store = Store(new_store(tmp_path / "mlflow.db"))
    line = "no runs yet; rdpp train, rdpp sweep or rdpp ablate makes some: rdpp sweep demo"
    assert main(["ui", "--port", "0", "--tracking-uri", store.uri]) == 0
    assert capsys.readouterr().err.splitlines()[0] == line
    store.client.create_run(store.experiment_id)
    assert main(["ui", "--port", "0", "--tracking-uri", store.uri]) == 0
    assert "no runs yet" not in capsys.readouterr().err


def test_a_confirmation_stands_below_its_study(new_store, tmp_path):
    store = Store(new_store(tmp_path / "mlflow.db"))
    levels = {"old": "trials", "lr": "trials", "lr-confirmed": "variants", "lost-confirmed": "variants"}
    for now, (name, level) in enumerate(levels.items()):
        for page in ("runs", level):  # the one to open is the newest
            view = View(f"{name}: {page}", page, ("metrics", "objective"), ())
            write_view(store, view, name, name, 2 * now + (page == level), nullcontext)
    assert [name for name, _ in pages(store, 5000)] == [
        "lost-confirmed: variants",
        "lost-confirmed: runs",
        "lr: trials",
        "lr: runs",
        "lr-confirmed: variants",
        "lr-confirmed: runs",
        "all runs",
    ]


def test_no_address_of_a_store_stands_in_the_list_of_processes(store_uri, started, answering):
    assert main(["ui", "--port", "0", "--tracking-uri", store_uri]) == 0
    ((command, environment),) = started
    assert not any(store_uri in word for word in command)
    assert environment["MLFLOW_BACKEND_STORE_URI"] == store_uri
    assert environment["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert environment["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"


def test_a_server_that_does_not_start_is_told(store_uri, started, capsys):
    assert main(["ui", "--port", "0", "--tracking-uri", store_uri]) == 2
    assert "rdpp: MLflow's server ended with exit code 0; what it said stands above" in capsys.readouterr().err
