"""A PostgreSQL and an MLflow server for the tests marked `cluster`: one of each, on free ports."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from mlflow_server import MlflowServer
from postgres import Postgres, programs

from rdpp.config import ConfigError
from rdpp.sweep import SweepConfig
from rdpp.sweep.config import SamplerConfig
from rdpp.sweep.space import FloatRange

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
    server = MlflowServer(cluster_folder, postgres_server, port=0)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def postgres(postgres_server):
    """PostgreSQL, which runs."""
    postgres_server.start()
    return postgres_server


@pytest.fixture
def mlflow_server(postgres, mlflow_process, tmp_path, monkeypatch):
    """The MLflow server, which runs; what waits for it lies in a folder of the test's own."""
    mlflow_process.start()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    return mlflow_process


@pytest.fixture
def sweep(tiny, request):
    """Three trials of one run with two batches."""
    experiment = tiny.with_overrides({**QUICK, "name": request.node.name, "checkpoint_every": "1 batch"})
    space = {"losses.ssot.weight": FloatRange(0.1, 1.0)}
    return SweepConfig(request.node.name, experiment, space, 3, sampler=SamplerConfig("random"), pruner="none")


@pytest.fixture
def sweep_file(sweep, tmp_path):
    """The same as a file."""
    (tmp_path / "experiment.yaml").write_text(sweep.experiment.to_yaml())
    path = tmp_path / "sweep.yaml"
    path.write_text(
        f"name: {sweep.name}\nexperiment: experiment.yaml\ntrials: {sweep.trials}\npruner: none\n"
        "sampler: {name: random}\n"
        "space: {losses.ssot.weight: {kind: float, low: 0.1, high: 1.0}}\n"
    )
    return path


@pytest.fixture
def environment():
    """Of commands."""
    return {**os.environ, "OMP_WAIT_POLICY": "passive"}
