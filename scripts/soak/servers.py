"""PostgreSQL and an MLflow server for a soak, and how they fail."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "cluster"))
from mlflow_server import MlflowServer
from postgres import Postgres

_AWAY = 20.0
"""Seconds that the MLflow server is away."""


@dataclass(frozen=True)
class Servers:
    """Both."""

    postgres: Postgres
    mlflow: MlflowServer

    @property
    def storage(self) -> str:
        """Address for Optuna."""
        return self.postgres.url("optuna")

    @property
    def tracking_uri(self) -> str:
        """Address for MLflow."""
        return self.mlflow.uri

    def acts(self) -> dict[str, Callable[[], object]]:
        """What can happen to them, by name. All of it is over when a call returns."""
        return {
            "postgres restarts": lambda: self.postgres.restart("immediate"),
            "postgres dies": self._kill_postgres,
            "mlflow away": self._stop_mlflow,
        }

    def _kill_postgres(self) -> None:
        self.postgres.kill()
        self.postgres.start()

    def _stop_mlflow(self) -> None:
        self.mlflow.stop()
        time.sleep(_AWAY)
        self.mlflow.start()


@contextmanager
def running(folder: Path) -> Iterator[Servers]:
    """Both, as long as the block lasts. Their password's file is named in this process's environment."""
    folder.mkdir()
    postgres = Postgres(folder, port=0)
    postgres.start()
    try:
        for database in ("optuna", "mlflow"):
            postgres.create_database(database)
        os.environ["PGPASSFILE"] = str(postgres.passfile)
        mlflow = MlflowServer(folder, postgres, port=0)
        mlflow.start()
        try:
            yield Servers(postgres, mlflow)
        finally:
            mlflow.stop()
    finally:
        postgres.stop("immediate")
