"""MLflow's UI on this machine: its server, started, waited for and ended, and the pages to open."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException

from rdpp.config import ConfigError, require
from rdpp.tracking.store.mlflow_store import Store
from rdpp.tracking.ui.views import confirmations_below, link, saved_views

HOST = "127.0.0.1"
FIRST_PORT = 5000
_PORTS = 100
"""Ports from the first on, among which a free one is looked for."""
_SHOWN = 6
"""Pages that are named."""
_QUIET = {
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # eight processes for judges of language models
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "PYTHONWARNINGS": "ignore",  # of the server's libraries
}
_PATIENCE = 10.0
"""Seconds that the server has to end."""


def base_address(port: int) -> str:
    """`http://127.0.0.1:5000`."""
    return f"http://{HOST}:{port}"


def choose_port(wanted: int) -> int:
    """A port that is free.

    Args:
        wanted: the port; 0: the first free one from 5000 on.

    Raises:
        ConfigError: it is no port, or taken.
    """
    require(0 <= wanted <= 65535, f"--port must be from 0 to 65535, got {wanted}")
    if wanted:
        require(_is_free(wanted), f"port {wanted} of {HOST} is taken; name another, or give --port 0 for a free one")
        return wanted
    for port in range(FIRST_PORT, FIRST_PORT + _PORTS):
        if _is_free(port):
            return port
    raise ConfigError(f"the ports {FIRST_PORT} to {FIRST_PORT + _PORTS - 1} of {HOST} are taken; name one with --port")


@contextmanager
def serving(store: Store, port: int) -> Iterator["subprocess.Popen[bytes]"]:
    """MLflow's server within the block; it answers.

    It has a session of its own, so that Ctrl-C reaches this process alone, which ends the server.

    Raises:
        ConfigError: the server ended before it answered.
    """
    # the store's address is no flag, which everybody on the machine sees: it may hold a password
    environment = {**_QUIET, **os.environ, "MLFLOW_BACKEND_STORE_URI": store.uri}
    command = [sys.executable, "-m", "mlflow", "ui", "--host", HOST, "--port", str(port)]
    command += ["--workers", "1", "--uvicorn-opts", "--log-level warning"]
    process = subprocess.Popen(command, env=environment, start_new_session=True)
    try:
        _wait_until_it_answers(process, port)
        yield process
    finally:
        _end(process)


def pages(store: Store, port: int) -> list[tuple[str, str]]:
    """Name and address of what is to be opened, the study or ablation that was begun last first, a study before its
    confirmation; all runs last."""
    base, views = base_address(port), confirmations_below(saved_views(store))[:_SHOWN]
    found = [(view.name, link(base, store.experiment_id, view)) for view in views]
    return [*found, ("all runs", link(base, store.experiment_id, None))]


def has_runs(store: Store) -> bool:
    """Whether there is any."""
    return bool(store.client.search_runs([store.experiment_id], max_results=1))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _wait_until_it_answers(process: "subprocess.Popen[bytes]", port: int) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy does not reach this machine
    while True:
        code = process.poll()
        require(code is None, f"MLflow's server ended with exit code {code}; what it said stands above")
        try:
            with opener.open(f"{base_address(port)}/health", timeout=5):
                return
        except (OSError, HTTPException):  # not yet
            time.sleep(0.1)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """With its workers."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is None:
            os.killpg(process.pid, number)
        try:
            process.wait(_PATIENCE)
            return
        except subprocess.TimeoutExpired:
            continue
