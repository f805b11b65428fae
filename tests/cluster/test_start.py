"""How the local servers are started: what is refused, in one line, and what the containers' file says."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CLUSTER = ROOT / "scripts" / "cluster"


def cluster(*arguments, **environment):
    command = [sys.executable, str(CLUSTER / "cluster.py"), *map(str, arguments)]
    return subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, timeout=120)


@pytest.mark.cluster
def test_a_server_that_runs_is_said_so_and_no_output_has_the_password(postgres, mlflow_server):
    folder, ports = postgres.folder, ["--postgres-port", postgres.port, "--mlflow-port", mlflow_server.port]
    again = cluster("start", "--folder", folder, *ports)
    assert again.returncode == 0, again.stderr
    assert again.stdout.splitlines() == [
        f"PostgreSQL: runs already at 127.0.0.1:{postgres.port}",
        f"MLflow: runs already at 127.0.0.1:{mlflow_server.port}",
        f"source {folder}/env",
        "rdpp sweep sweeps/demo.yaml",
    ]
    assert (folder / "env").read_text().splitlines() == [
        f"export RDPP_STORAGE={postgres.url('optuna')}",
        f"export MLFLOW_TRACKING_URI={mlflow_server.uri}",
        f"export PGPASSFILE={postgres.passfile}",
    ]
    assert postgres.passfile.stat().st_mode & 0o777 == 0o600
    status = cluster("status", "--folder", folder)
    assert (status.returncode, status.stdout.count("runs at 127.0.0.1")) == (0, 2)


@pytest.mark.cluster
def test_a_port_that_is_taken(tmp_path, postgres):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        refused = cluster("start", "--folder", tmp_path, "--postgres-port", port)
    assert refused.returncode == 2
    assert re.fullmatch(
        rf"cluster: PostgreSQL cannot listen at 127\.0\.0\.1:{port} \(.*in use\); give another port with "
        r"--postgres-port, 0 for any\n",
        refused.stderr,
    )


def test_stopping_what_does_not_run(tmp_path):
    stopped = cluster("stop", "--folder", tmp_path)
    assert (stopped.returncode, stopped.stdout) == (0, "MLflow: did not run\nPostgreSQL: did not run\n")
    assert cluster("status", "--folder", tmp_path).returncode == 1


def test_a_machine_without_postgresql(monkeypatch, tmp_path):
    import postgres

    from rdpp.config import ConfigError

    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(postgres, "Path", lambda given: tmp_path)
    with pytest.raises(ConfigError, match=r"not installed \(no initdb\); install it \(Debian: apt install postgresql"):
        postgres.programs()


@pytest.fixture
def services():
    return yaml.safe_load((CLUSTER / "compose.yaml").read_text())["services"]


def test_containers_listen_on_this_machine_alone(services):
    assert services.keys() == {"postgres", "mlflow"}
    for service in services.values():
        assert service["ports"]
        assert all(re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port) for port in service["ports"])
        assert not any("PASSWORD" in name for name in service["environment"])
        assert service["env_file"] == "../../runs/cluster.env"


def test_containers_have_the_locked_versions(services):
    locked = (ROOT / "requirements.lock").read_text().splitlines()
    pinned = re.findall(r"(\S+)==(\S+)", services["mlflow"]["build"]["dockerfile_inline"])
    assert len(pinned) == 2
    for name, version in pinned:
        assert f"{name.removesuffix('[binary]')}=={version}" in locked
