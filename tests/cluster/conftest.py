"""A PostgreSQL and an MLflow server for the tests marked `cluster`: one of each, on free ports."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest
import yaml
from mlflow_server import MlflowServer
from postgres import Postgres, programs

from rdpp.config import ConfigError
from rdpp.runs import patience
from rdpp.sweep import SweepConfig
from rdpp.tracking.outbox import delivery

QUICK = {"losses.reconstruction": None, "losses.contrast": None, "training.epochs": 1, "heatmaps": 0, "keep": "none"}


@pytest.fixture(scope="session")
def cluster_folder():
    """One that the server's account may enter, which pytest's own are not."""
    folder = Path(tempfile.mkdtemp(prefix="rdpp-cluster-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres_server(cluster_folder):
    try:
        programs()
    except ConfigError as error:
        pytest.skip(str(error))
    server = Postgres(cluster_folder, port=0)
    server.start()
    for name in ("optuna", "mlflow"):
        server.create_database(name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGPASSFILE", str(server.passfile))
        yield server
    server.stop("immediate")


@pytest.fixture(scope="session")
def mlflow_process(cluster_folder, postgres_server):
    postgres_server.start()  # a test before may have left it stopped
    server = MlflowServer(cluster_folder, postgres_server, port=0)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def postgres(postgres_server, monkeypatch):
    """PostgreSQL, which runs. It is looked for often."""
    postgres_server.start()
    monkeypatch.setattr(patience, "_LONGEST_WAIT", 1.0)
    return postgres_server


@pytest.fixture
def mlflow_server(postgres, mlflow_process, tmp_path, monkeypatch):
    """The MLflow server, which runs; what waits for it lies in a folder of the test's own."""
    mlflow_process.start()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setattr(delivery, "_LONGEST_PAUSE", 1.0)
    return mlflow_process


@pytest.fixture
def sweep_file(tiny, tmp_path, request):
    """Three trials of one run with two batches."""
    experiment = tiny.with_overrides({**QUICK, "name": request.node.name})
    (tmp_path / "experiment.yaml").write_text(experiment.to_yaml())
    study = {
        "name": request.node.name,
        "experiment": "experiment.yaml",
        "set": {"evaluation.selection": "last"},
        "space": {"losses.ssot.weight": {"low": 0.1, "high": 1.0}},
        "sampler": {"name": "random"},
        "pruner": "none",
        "trials": 3,
    }
    path = tmp_path / "sweep.yaml"
    path.write_text(yaml.safe_dump(study))
    return path


@pytest.fixture
def sweep(sweep_file):
    """The same, read."""
    return SweepConfig.from_yaml(sweep_file)


@pytest.fixture
def environment():
    """Of commands."""
    return {**os.environ, "OMP_WAIT_POLICY": "passive"}
