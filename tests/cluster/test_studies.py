"""Studies on a PostgreSQL and an MLflow server that fail in the middle: nothing is lost, and nothing is doubled."""

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from tracked import tracked_study

import rdpp.sweep.command as command
import rdpp.workers.options as options
from rdpp.cli import main
from rdpp.engine import BatchFinished
from rdpp.tracking.conventions.location import shown
from rdpp.tracking.store.mlflow_store import Store
from rdpp.tracking.tree import MlflowTree

pytestmark = pytest.mark.cluster


def check_whole(server, name, trials=3):
    """Every trial has one run, with the losses of its two batches, and all are FINISHED."""
    store = Store(server.uri)
    runs = store.search(f"tags.variant = '{name}'")
    levels = [run.data.tags["level"] for run in runs]
    assert {level: levels.count(level) for level in set(levels)} == {"study": 1, "trial": trials, "run": trials}
    assert {run.info.status for run in runs} == {"FINISHED"}
    leaves = [run for run in runs if run.data.tags["level"] == "run"]
    for run in leaves:
        history = store.client.get_metric_history(run.info.run_id, "loss/total")
        assert [point.step for point in sorted(history, key=lambda point: point.step)] == [1, 2]
    return runs


def after(batches, act):
    """An observer that acts once, after so many batches."""
    seen = []

    def observe(event):
        if isinstance(event, BatchFinished):
            seen.append(event)
            if len(seen) == batches:
                act()

    return observe


def later(seconds, act):
    timer = threading.Timer(seconds, act)
    timer.start()
    return timer


def command_lines():
    """Of all processes."""
    lines = []
    for process in psutil.process_iter():
        try:
            lines.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return lines


def test_two_commands_at_once_and_a_password_that_nobody_sees(
    sweep, sweep_file, postgres, mlflow_server, environment, tmp_path
):
    secret, token = postgres.url("optuna", password=True).split(":")[2].split("@")[0], "s3cret-t0ken"
    environment |= {
        "RDPP_STORAGE": postgres.url("optuna", password=True),
        "MLFLOW_TRACKING_URI": mlflow_server.uri.replace("://", f"://ann:{token}@"),
        "PGPASSFILE": "/nonexistent",
    }
    base = [sys.executable, "-m", "rdpp", "sweep", str(sweep_file)]
    started = [
        subprocess.Popen(
            given, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for given in ([*base, "--json"], base)
    ]
    seen = set()
    while any(process.poll() is None for process in started):
        seen.update(command_lines())
        time.sleep(1)  # looking costs, too
    told = [process.communicate() for process in started]
    assert [process.returncode for process in started] == [0, 0], "".join(map("".join, told))
    study = json.loads(told[0][0])
    assert [trial["state"] for trial in study["trials"]] == ["complete"] * 3
    runs = check_whole(mlflow_server, sweep.name)
    assert any(str(sweep_file) in line for line in seen)
    kept = [path for folder in (tmp_path, mlflow_server.folder / "artifacts") for path in folder.rglob("*")]
    logs = [mlflow_server.log, postgres.log]
    texts = [path.read_bytes().decode(errors="replace") for path in [*kept, *logs] if path.is_file()]
    for text in [*seen, *map(str, told), *texts, *(str(run.to_dictionary()) for run in runs)]:
        assert secret not in text
        assert token not in text


def test_postgres_that_fails_twice_is_waited_for(sweep, postgres, mlflow_server):
    """Once it is back at once, once it was killed and is away for three seconds."""
    timers = []

    def kill():
        postgres.kill()
        timers.append(later(3, postgres.start))

    observers = [after(1, lambda: postgres.restart("immediate")), after(4, kill)]
    points, _ = tracked_study(sweep, postgres.url("optuna"), Store(mlflow_server.uri), observers)
    timers[0].join()
    assert [trial.state.name for trial in points.all()] == ["COMPLETE"] * 3
    check_whole(mlflow_server, sweep.name)


def test_an_mlflow_server_that_is_away_gets_all_records_later(sweep, postgres, mlflow_server, capsys):
    timers = []

    def stop():
        mlflow_server.stop()
        timers.append(later(3, mlflow_server.start))

    points, _ = tracked_study(sweep, postgres.url("optuna"), Store(mlflow_server.uri), [after(3, stop)])
    timers[0].join()
    assert [trial.state.name for trial in points.all()] == ["COMPLETE"] * 3
    check_whole(mlflow_server, sweep.name)
    told = capsys.readouterr().err
    assert told.count("is away") == told.count("is back") == 1


def test_a_study_ends_without_its_mlflow_server_and_sync_sends_later(
    sweep, sweep_file, postgres, mlflow_server, monkeypatch, capsys
):
    def run(job, work_at):
        mlflow_server.stop()
        run_study(job, work_at)

    run_study = command.run_study
    monkeypatch.setattr(command, "run_study", run)
    monkeypatch.setattr(options, "MlflowTree", lambda *args, **how: MlflowTree(*args, **{**how, "patience": 1.0}))
    storage = postgres.url("optuna")
    assert main(["sweep", str(sweep_file), "--storage", storage, "--tracking-uri", mlflow_server.uri, "--json"]) == 0
    told = capsys.readouterr()
    assert [trial["state"] for trial in json.loads(told.out)["trials"]] == ["complete"] * 3
    assert f"send with: rdpp sync --tracking-uri {shown(mlflow_server.uri)}" in told.err
    mlflow_server.start()
    assert main(["sync", "--tracking-uri", mlflow_server.uri]) == 0
    check_whole(mlflow_server, sweep.name)
    assert not list(Path("runs/work/outbox").rglob("*.json"))
