"""Workers on Ray: on a cluster of this machine alone, and on one of two nodes, of which one is killed."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from test_machines import leaves, losses, until

from rdpp.cli import main
from rdpp.runs import WorkFolder
from rdpp.tracking.conventions.tags import WORK_FOLDER
from rdpp.tracking.store.mlflow_store import Store

if importlib.util.find_spec("ray") is None:
    pytest.skip("Ray is not installed; install rdpp[ray]", allow_module_level=True)
pytestmark = pytest.mark.cluster

SECRET = "s3cret-of-the-test"
QUIET = {"RAY_AUTH_MODE": "token", "RAY_USAGE_STATS_ENABLED": "0", "OMP_WAIT_POLICY": "passive"}
NODES = Path(__file__).with_name("ray_nodes.py")
TEMPORARY = Path("/tmp/ray")


@pytest.fixture
def command(tmp_path):
    """Starts rdpp in the test's folder."""
    started = []

    def start(*words, **environment):
        process = subprocess.Popen(
            [sys.executable, "-m", "rdpp", *map(str, words)],
            env=os.environ | QUIET | environment,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def result_of(process, code=0):
    out, told = process.communicate(timeout=240)
    assert process.returncode == code, told
    return out, told


@pytest.fixture
def experiment_file(tiny, tmp_path, request):
    changes = {"name": request.node.name, "training.epochs": 1, "heatmaps": 0, "keep": "none", "seeds": [1, 2]}
    path = tmp_path / "experiment.yaml"
    path.write_text(tiny.with_overrides(changes).to_yaml())
    return path


def test_a_training_on_a_cluster_of_this_machine(command, experiment_file, tmp_path):
    """It listens at 127.0.0.1 alone, what is secret stands in no file of Ray, and results stand alone on standard
    output."""
    before = set(TEMPORARY.glob("session_2*"))
    process = command(
        "train", experiment_file, "--ray", "local", "--workers", "1", "--json", MLFLOW_TRACKING_PASSWORD=SECRET
    )
    out, told = result_of(process)
    assert [line for line in told.splitlines() if line.startswith("Ray")] == ["Ray: 1 worker with 1 CPU"]
    assert out.startswith("[")
    runs = Store(f"sqlite:///{tmp_path}/runs/mlflow.db").search("tags.level = 'run'")
    assert sorted((run.data.tags["seed"], run.info.status) for run in runs) == [("1", "FINISHED"), ("2", "FINISHED")]
    assert not list((tmp_path / "runs" / "work").glob("command-*"))
    (session,) = set(TEMPORARY.glob("session_2*")) - before
    written = [path.read_bytes() for path in session.rglob("*") if path.is_file()]
    assert any(b"127.0.0.1" in content for content in written)
    assert not any(SECRET.encode() in content for content in written)


@pytest.fixture
def nodes(tmp_path):
    """A cluster of two nodes, each with a work folder of its own: its address, and how one node is killed."""
    process = subprocess.Popen(
        [sys.executable, NODES, tmp_path],
        env=os.environ | QUIET,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    address = process.stdout.readline().strip()
    assert address, "the cluster did not start"

    def kill():
        process.stdin.write("kill\n")
        process.stdin.flush()

    yield address, kill
    process.stdin.close()
    process.wait()


def values(printed):
    """Of a study's trials."""
    return [(trial["number"], trial["value"], trial["params"]) for trial in json.loads(printed)["trials"]]


def test_a_node_is_lost_in_the_middle_of_a_study(
    command, nodes, sweep_file, sweep, postgres, mlflow_server, tmp_path, capsys
):
    address, kill = nodes
    changes = ["--trials", "4", "--epochs", "8", "--set", "checkpoint_every=4 batches", "--set", "state=tracking"]
    stores = {"RDPP_STORAGE": postgres.url("optuna"), "MLFLOW_TRACKING_URI": mlflow_server.uri}
    process = command("sweep", sweep_file, *changes, "--ray", address, "--workers", "2", "--json", **stores)

    def there(node, runs):
        """Those that are worked at on a node."""
        folder = WorkFolder(tmp_path / node)
        return [run for run in runs if folder.root.is_dir() and run.data.tags[WORK_FOLDER] == folder.id()]

    def in_its_middle():
        assert process.poll() is None, process.communicate()
        begun = there("goes", leaves(mlflow_server, sweep.name))
        return [run for run in begun if run.info.status == "RUNNING" and losses(mlflow_server, run)[6:]]

    (lost, *_) = until(in_its_middle, 120)
    kill()
    out, told = result_of(process)
    runs = leaves(mlflow_server, sweep.name)
    assert sorted(run.data.tags["trial"] for run in runs) == ["0", "1", "2", "3"]
    assert {run.info.status for run in runs} == {"FINISHED"}, told
    assert lost.info.run_id in [run.info.run_id for run in there("stays", runs)]
    assert re.search(r"worker \d was lost with its process or its node; another takes its place", told)
    own = ["--storage", f"sqlite:///{tmp_path}/optuna.db", "--tracking-uri", f"sqlite:///{tmp_path}/mlflow.db"]
    assert main(["sweep", str(sweep_file), *changes, *own, "--json"]) == 0
    assert values(out) == values(capsys.readouterr().out)
