"""The job scripts of docs/slurm.md do what the page says, run by bash as SLURM would run them."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rdpp.tracking.store.mlflow_store import Store

pytestmark = pytest.mark.cluster

PAGE = (Path(__file__).parents[2] / "docs" / "slurm.md").read_text()


def scripts():
    """The page's, by whether they are an array's."""
    found = re.findall(r"(?m)^    #!/bin/bash\n(?:(?:    .*)?\n)+", PAGE)
    texts = [re.sub(r"(?m)^    ", "", text) for text in found]
    return {"--array" in text: text for text in texts}


@pytest.fixture
def home(tmp_path, sweep_file):
    """A user's, with rdpp in it."""
    programs, sweeps = tmp_path / "rdpp" / ".venv" / "bin", tmp_path / "rdpp" / "sweeps"
    for folder in (programs, sweeps, tmp_path / "node"):
        folder.mkdir(parents=True)
    (programs / "activate").write_text(f"export PATH={shlex.quote(str(programs))}:$PATH\n")
    for name, command in {
        "rdpp": f'{sys.executable} -m rdpp "$@"',
        "scontrol": f'echo "$@" >> {tmp_path}/queued',
    }.items():
        (programs / name).write_text(f"#!/bin/sh\n{'exec ' if name == 'rdpp' else ''}{command}\n")
        (programs / name).chmod(0o755)
    (sweeps / "demo.yaml").write_text(sweep_file.read_text())
    (sweeps / "experiment.yaml").write_text((tmp_path / "experiment.yaml").read_text())
    return tmp_path


@pytest.fixture
def job(home, tiny, postgres, mlflow_server, environment):
    """Starts the script of a job."""
    ours = {
        "/data/mvtec": tiny.data.root,
        "--categories screw,pill": "--categories bolt",
        "postgresql+psycopg://rdpp@db.example.org/optuna": postgres.url("optuna"),
        "http://mlflow.example.org:5000": mlflow_server.uri,
        "$HOME/.pgpass": os.environ["PGPASSFILE"],
        "--workers 4": "--workers 1 --seeds 20",  # no other test has these runs
        "state=tracking": "state=tracking --seeds 21",
    }
    environment |= {
        "HOME": str(home),
        "SLURM_CPUS_PER_TASK": "1",
        "SLURM_JOB_ID": "7",
        "SLURM_TMPDIR": str(home / "node"),
    }
    environment |= {"RDPP_STORAGE": postgres.url("optuna"), "MLFLOW_TRACKING_URI": mlflow_server.uri}

    def start(*, array):
        text = scripts()[array]
        for theirs, own in ours.items():
            text = text.replace(theirs, own)
        path = home / "job.sh"
        path.write_text(text)
        return subprocess.Popen(
            ["bash", str(path)],
            cwd=home / "rdpp",
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    return start


def leaves(server, sweep):
    return Store(server.uri).search(f"tags.variant = '{sweep.name}' and tags.level = 'run'")


@pytest.mark.parametrize("array", [False, True])
def test_a_job_that_is_warned_saves_its_state_and_goes_on_as_the_next(job, home, sweep, mlflow_server, array):
    first, end = job(array=array), time.monotonic() + 90
    while not leaves(mlflow_server, sweep):
        assert first.poll() is None, first.communicate()[0]
        assert time.monotonic() < end
        time.sleep(0.2)
    first.send_signal(signal.SIGUSR1)
    told, _ = first.communicate(timeout=90)
    assert first.returncode == 138, told
    queued = home / "queued"
    assert (queued.read_text() if queued.exists() else "") == ("" if array else "requeue 7\n")
    second = job(array=array)
    told, _ = second.communicate(timeout=120)
    assert second.returncode == 0, told
    runs = leaves(mlflow_server, sweep)
    assert sorted(run.data.tags["trial"] for run in runs) == ["0", "1", "2"]
    assert {run.info.status for run in runs} == {"FINISHED"}
