"""Reading commands make no store, and a copied store is told before anything is read or written."""

import re
import shutil
import sqlite3
from collections import OrderedDict
from pathlib import Path

import pytest
from mlflow import MlflowClient

from rdpp.cli import main
from rdpp.config import ConfigError
from rdpp.tracking.conventions.location import sqlite_url
from rdpp.tracking.store.mlflow_store import Store

READING = [["compare", "some"], ["report", "some"], ["rescore", "some"], ["evaluate", 32 * "a"]]


def told(capsys, *arguments):
    """The one line that a command prints, after exit code 2."""
    assert main([*arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    return printed.err


def contents(folder):
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


@pytest.fixture(scope="module")
def ready(tmp_path_factory):
    """The folder of a store with one run and one artifact, and the run's id."""
    folder = tmp_path_factory.mktemp("with blank")
    store = Store(sqlite_url(folder / "mlflow.db"))
    run_id = store.start_run("a", tags={})
    store.client.log_text(run_id, "{}", "a.json")
    return folder, run_id


@pytest.fixture
def copied(ready, tmp_path):
    shutil.copytree(ready[0], tmp_path / "copy")
    return tmp_path / "copy"


@pytest.mark.parametrize("command", READING, ids=lambda words: words[0])
@pytest.mark.parametrize("place", ["default", "no folder", "no file", "foreign database", "empty file", "no files"])
def test_no_store_is_one_line_and_nothing_is_made(command, place, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    foreign, empty = tmp_path / "optuna.db", tmp_path / "empty.db"
    with sqlite3.connect(foreign) as connection:
        connection.execute("create table trials (x)")
    empty.touch()
    places = {
        "default": [],
        "no folder": ["--tracking-uri", f"sqlite:///{tmp_path}/none/mlflow.db"],
        "no file": ["--tracking-uri", f"sqlite:///{tmp_path}/mlflow.db"],
        "foreign database": ["--tracking-uri", sqlite_url(foreign)],
        "empty file": ["--tracking-uri", sqlite_url(empty)],
        "no files": ["--tracking-uri", str(tmp_path / "mlruns")],
    }
    before = contents(tmp_path)
    line = told(capsys, *command, *places[place])
    if place in ("default", "no folder", "no file"):
        file = tmp_path / {"default": "runs/mlflow.db", "no folder": "none/mlflow.db", "no file": "mlflow.db"}[place]
        assert line.startswith(
            f"rdpp: no runs here: there is no {file}; train first (rdpp train, rdpp sweep or rdpp ablate), or go to "
        )
    else:
        known = r"rdpp: no runs of rdpp are in \S+: .+; train first, or give another store with --tracking-uri"
        assert re.match(known, line)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("command", READING, ids=lambda words: words[0])
def test_a_store_of_another_program_gets_no_experiment(command, ready, tmp_path, capsys):
    shutil.copy(ready[0] / "mlflow.db", tmp_path / "mlflow.db")
    with sqlite3.connect(tmp_path / "mlflow.db") as connection:
        connection.execute("update experiments set name = 'other' where name = 'rdpp'")
    uri = sqlite_url(tmp_path / "mlflow.db")
    before = contents(tmp_path)
    assert "there is no MLflow experiment of its name" in told(capsys, *command, "--tracking-uri", uri)
    assert contents(tmp_path) == before
    assert MlflowClient(uri).get_experiment_by_name("rdpp") is None


@pytest.mark.parametrize("command", READING, ids=lambda words: words[0])
def test_a_copied_store_is_refused_untouched(command, ready, copied, capsys):
    before = contents(ready[0]), contents(copied)
    line = told(capsys, *command, "--tracking-uri", sqlite_url(copied / "mlflow.db"))
    assert (
        f"copy/mlflow.db was copied or moved: it keeps its artifacts in {ready[0]}/artifacts; give the original" in line
    )
    assert f"--tracking-uri {sqlite_url(ready[0] / 'mlflow.db')}" in line
    assert (contents(ready[0]), contents(copied)) == before
    with pytest.raises(ConfigError, match="was copied or moved"):
        Store(sqlite_url(copied / "mlflow.db"))


def test_a_store_is_itself_by_any_path(ready, tmp_path):
    folder, run_id = ready
    (tmp_path / "link").symlink_to(folder)
    assert Store(sqlite_url(tmp_path / "link" / "mlflow.db"), create=False).read_json(run_id, "a.json") == {}


def test_artifacts_may_lie_where_a_user_put_them(copied, tmp_path):
    with sqlite3.connect(copied / "mlflow.db") as connection:
        connection.execute(f"update experiments set artifact_location = '{tmp_path}/large/1'")
    assert Store(sqlite_url(copied / "mlflow.db"), create=False)


def test_a_copy_is_told_its_place_as_the_pages_say(ready, copied, monkeypatch):
    repositories = "mlflow.tracking._tracking_service.utils._artifact_repos_cache"
    monkeypatch.setattr(repositories, OrderedDict())  # of this process; it knows the run by its id
    page = (Path(__file__).parents[3] / "docs" / "tracking.md").read_text()
    (statements,) = re.findall(r"```sql\n(.+?)```", page, re.DOTALL)
    statements = statements.replace("file:///old/runs", ready[0].as_uri()).replace("file:///new/runs", copied.as_uri())
    with sqlite3.connect(copied / "mlflow.db") as connection:
        connection.executescript(statements)
    store = Store(sqlite_url(copied / "mlflow.db"), create=False)
    before = contents(ready[0])
    store.client.log_text(ready[1], "[]", "b.json")
    assert store.read_json(ready[1], "b.json") == []
    assert contents(ready[0]) == before
