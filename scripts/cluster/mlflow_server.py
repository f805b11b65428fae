"""An MLflow server in a folder, for this machine alone."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import psutil
from ports import HOST, usable
from postgres import Postgres

from rdpp.config import ConfigError

_START, _STOP = 180.0, 20.0
"""Seconds that it may take: the first start makes the tables."""


class MlflowServer:
    """One server, whose runs are in a database and whose artifacts are in the folder."""

    def __init__(self, folder: Path, postgres: Postgres, port: int = 5001, workers: int = 1) -> None:
        """Args:
        folder: of its artifacts and its log; it is made where it is missing.
        postgres: has the runs, in its database `mlflow`.
        port: on 127.0.0.1; 0 for any that is free.
        workers: processes that answer.
        """
        self.folder, self.port = folder.absolute(), port
        self._postgres, self._workers = postgres, workers
        self.log = self.folder / "mlflow.log"
        self._note = self.folder / "mlflow.json"
        self._own: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        """Its address."""
        return f"http://{HOST}:{self.port}"

    def is_running(self) -> bool:
        """Whether it runs, whoever has started it; `port` is then the one where it listens."""
        known = self._known()
        if known is not None:
            self.port = known["port"]
        return known is not None

    def start(self) -> bool:
        """Start it, and wait until it answers; anew where it runs with another address of the database.

        Returns:
            False where it runs already.

        Raises:
            ConfigError: what a user can mend.
        """
        backend = self._postgres.url("mlflow")
        known = self._known()
        if known is not None and known["backend"] == backend:
            self.port = known["port"]
            return False
        self.stop()
        self.port = usable(self.port, "the MLflow server", "--mlflow-port")
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._own = subprocess.Popen(
                self._command(),
                env={**os.environ, **self._environment(backend)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is not for it, and all of it is ended together
            )
        created = psutil.Process(self._own.pid).create_time()
        note = {"pid": self._own.pid, "created": created, "port": self.port, "backend": backend}
        self._note.write_text(json.dumps(note))
        self._await(self._own)
        return True

    def stop(self) -> None:
        """Stop it with all its processes; nothing where it does not run."""
        known = self._known()
        if known is None:
            return
        process = psutil.Process(known["pid"])
        family = [process, *process.children(recursive=True)]
        os.killpg(process.pid, signal.SIGTERM)
        _, alive = psutil.wait_procs(family, timeout=_STOP)
        for one in alive:
            one.kill()
        psutil.wait_procs(alive, timeout=_STOP)
        if self._own is not None:
            self._own.wait()
        self._note.unlink()

    def _command(self) -> list[str]:
        where = ["--host", HOST, "--port", str(self.port), "--workers", str(self._workers)]
        return [
            sys.executable,
            "-m",
            "mlflow",
            "server",
            *where,
            "--artifacts-destination",
            str(self.folder / "artifacts"),
        ]

    def _environment(self, backend: str) -> dict[str, str]:
        return {
            "MLFLOW_BACKEND_STORE_URI": backend,
            "PGPASSFILE": str(self._postgres.passfile),
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "DO_NOT_TRACK": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # for GenAI: processes that have nothing to do
        }

    def _await(self, process: subprocess.Popen[bytes]) -> None:
        until = time.monotonic() + _START
        while not self._answers():
            if process.poll() is not None or time.monotonic() > until:
                self.stop()
                last = self.log.read_text(errors="replace").strip().rpartition("\n")[2]
                raise ConfigError(f"the MLflow server does not answer at {self.uri} ({last}); see {self.log}")
            time.sleep(0.1)

    def _answers(self) -> bool:
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with direct.open(f"{self.uri}/health", timeout=5) as reply:
                return reply.status == 200
        except OSError:
            return False

    def _known(self) -> dict[str, Any] | None:
        """What was noted of the server that runs; None where none does. A number may be another process's by now."""
        try:
            known = json.loads(self._note.read_text())
            process = psutil.Process(known["pid"])
        except (FileNotFoundError, psutil.NoSuchProcess):
            return None
        lives = process.create_time() == known["created"] and process.status() != psutil.STATUS_ZOMBIE
        return known if lives else None
