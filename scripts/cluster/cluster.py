"""PostgreSQL and an MLflow server on this machine, for sweeps by several processes and machines.

    python scripts/cluster/cluster.py start      real ones, at 127.0.0.1 alone; their data is in runs/cluster
    python scripts/cluster/cluster.py status     exit code 1 unless both run
    python scripts/cluster/cluster.py stop       their data stays

`start` writes a file `env` for the shell. The database's password is a random one; it stands in a file for libpq
(PGPASSFILE) that its owner alone reads, and nowhere else.
"""

import argparse
import shlex
import sys
from pathlib import Path

from filelock import FileLock
from mlflow_server import MlflowServer
from ports import HOST
from postgres import Postgres

from rdpp.config import ConfigError


def main() -> int:
    """The exit code."""
    options = _parser().parse_args()
    folder = options.folder.absolute()
    cluster = Cluster(folder, options.postgres_port, options.mlflow_port)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):
            return {"start": cluster.start, "stop": cluster.stop, "status": cluster.status}[options.action]()
    except (ConfigError, OSError) as error:
        print(f"cluster: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("start", "stop", "status"))
    parser.add_argument("--folder", type=Path, default=Path("runs/cluster"), help="of their data (%(default)s)")
    for server, port in {"postgres": 5433, "mlflow": 5001}.items():
        parser.add_argument(
            f"--{server}-port", type=int, default=port, metavar="N", help="0 for any that is free (%(default)s)"
        )
    return parser


class Cluster:
    """Both servers in one folder."""

    def __init__(self, folder: Path, postgres_port: int, mlflow_port: int) -> None:
        self.folder = folder
        self.postgres = Postgres(folder, postgres_port)
        self.mlflow = MlflowServer(folder, self.postgres, mlflow_port, workers=2)

    def start(self) -> int:
        """Start what does not run yet, and say how to use it."""
        _say("PostgreSQL", self.postgres.start(), self.postgres)
        for name in ("optuna", "mlflow"):
            self.postgres.create_database(name)
        _say("MLflow", self.mlflow.start(), self.mlflow)
        self._write_env()
        env = self.folder / "env"
        shown = env.relative_to(Path.cwd()) if env.is_relative_to(Path.cwd()) else env
        print(f"source {shlex.quote(str(shown))}\nrdpp sweep sweeps/demo.yaml")
        return 0

    def stop(self) -> int:
        """Stop what runs."""
        for name, server in (("MLflow", self.mlflow), ("PostgreSQL", self.postgres)):
            ran = server.is_running()
            server.stop()
            print(f"{name}: {'stopped' if ran else 'did not run'}")
        return 0

    def status(self) -> int:
        """Say what runs."""
        servers = (("PostgreSQL", self.postgres), ("MLflow", self.mlflow))
        running = [(name, server.is_running(), server.port) for name, server in servers]
        for name, runs, port in running:
            print(f"{name}: {f'runs at {HOST}:{port}' if runs else 'does not run'}")
        return 0 if all(runs for _, runs, _ in running) else 1

    def _write_env(self) -> None:
        values = {
            "RDPP_STORAGE": self.postgres.url("optuna"),
            "MLFLOW_TRACKING_URI": self.mlflow.uri,
            "PGPASSFILE": str(self.postgres.passfile),
        }
        lines = [f"export {name}={shlex.quote(value)}\n" for name, value in values.items()]
        (self.folder / "env").write_text("".join(lines))


def _say(name: str, started: bool, server: Postgres | MlflowServer) -> None:
    print(f"{name}: {'started' if started else 'runs already'} at {HOST}:{server.port}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
