"""A run of MLflow is trained once, and replayed; where the training itself is not of interest, its values are given."""

import json
import math
import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image
from tracked import tracked_training

from rdpp.cli import main
from rdpp.config import ConfigError
from rdpp.deploy import replay as module
from rdpp.deploy.commit import clone_at, recorded_commit, train_with
from rdpp.deploy.differences import Difference, other_differences
from rdpp.deploy.replay import Replayed, ReplayOptions, replay
from rdpp.engine import RunSpec
from rdpp.tracking.reading.recorded import configuration
from rdpp.tracking.store.mlflow_store import Store


@pytest.fixture(scope="module")
def store(store_uri):
    return Store(store_uri)


@pytest.fixture(scope="module")
def run(store, held_out):
    """A finished run."""
    changes = {"heatmaps": 0, "training.epochs": 1, "losses.reconstruction": None, "losses.contrast": None}
    tracked_training(store, held_out.with_overrides({"name": "replayed", "seeds": [5], **changes}))
    (found,) = store.search("tags.variant = 'replayed' and tags.level = 'run'")
    return found


@pytest.fixture
def given(monkeypatch):
    """Let the training give these values."""

    def give(values):
        monkeypatch.setattr(module, "train_again", lambda *arguments: of_training(values))

    return give


@pytest.fixture
def copied(held_out, tmp_path):
    """The run's data, copied to where a test may change it."""
    return shutil.copytree(held_out.data.root, tmp_path / "data")


def final(run):
    counts = tuple(f"training/{name}" for name in ("chosen_epoch", "epochs", "steps"))
    metrics = {k: v for k, v in run.data.metrics.items() if k.startswith(("test/", "selection/")) or k in counts}
    return {k: v for k, v in metrics.items() if "_rate/" not in k}


def of_training(values):
    """Final values as the training gives them."""
    parts = {"test": "test/", "held_out": "selection/held_out/", "gap": "selection_gap/"}
    found = {
        part: {k.removeprefix(begin): v for k, v in values.items() if k.startswith(begin)}
        for part, begin in parts.items()
    }
    counts = {"epoch": "chosen_epoch", "epochs": "epochs", "steps": "steps"}
    return {**found, **{name: values[f"training/{logged}"] for name, logged in counts.items()}}


def options(store, **more):
    return ReplayOptions(tracking_uri=store.uri, **more)


def test_a_run_is_equal_to_the_last_digit_and_mlflow_does_not_change(store, run, capsys):
    before = len(store.search("attributes.start_time > 0"))
    assert main(["replay", run.info.run_id, "--tracking-uri", store.uri, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["recorded"] == found["replayed"] == final(run)
    assert found["differences"] == []
    assert "to the last digit" in found["verdict"]
    assert len(found["recorded"]) > 20
    assert len(store.search("attributes.start_time > 0")) == before
    assert store.client.get_run(run.info.run_id).data.metrics == run.data.metrics


def test_one_last_digit_is_a_difference(store, run, given, capsys):
    values = final(run)
    values["test/pixel_auroc"] = math.nextafter(values["test/pixel_auroc"], 2)
    given(values)
    assert main(["replay", run.info.run_id, "--tracking-uri", store.uri]) == 1
    printed = capsys.readouterr().out
    assert "test/pixel_auroc" in printed
    assert f"DIFFERENT: 1 of {len(values)} final values are not equal to the last digit; nothing that was" in printed
    assert replay(run.info.run_id, options(store, tolerance=1e-9)).equal


def test_counts_are_equal_whatever_the_tolerance_and_nothing_may_be_lacking():
    recorded = {"test/image_auroc": 0.5, "training/chosen_epoch": 3.0}
    assert Replayed("r", (), recorded, {**recorded, "test/image_auroc": 0.6}, 0.2).equal
    assert Replayed("r", (), recorded, {**recorded, "training/chosen_epoch": 4.0}, 2.0).unequal == (
        "training/chosen_epoch",
    )
    assert Replayed("r", (), recorded, {"training/chosen_epoch": 3.0}, 0.2).unequal == ("test/image_auroc",)
    assert Replayed("r", (), recorded, {**recorded, "test/new": 1.0}, 0.2).unequal == ("test/new",)


def test_another_thread_count_is_named(store, run, given):
    given(final(run))
    told = []
    found = replay(run.info.run_id, options(store, threads=2), tell=told.append)
    assert found.differences == (Difference("thread count", "1", "2"),)
    assert told == ["differs: thread count: recorded 1, now 2"]
    assert "EQUAL" in found.verdict()
    assert "thread count" in found.verdict()


def test_changed_data_is_told_and_not_trained_on(store, run, copied, given, capsys):
    good = copied / "bolt" / "train" / "good"
    Image.new("RGB", (64, 64)).save(good / "000.png")
    Image.new("RGB", (64, 64)).save(copied / "bolt" / "test" / "good" / "new.png")
    command = ["replay", run.info.run_id, "--tracking-uri", store.uri, "--data", str(copied)]
    assert main(command) == 1
    printed = capsys.readouterr()
    assert "1 changed, 1 added (bolt/train/good/000.png, bolt/test/good/new.png)" in printed.err
    assert "DIFFERENT, not trained: data" in printed.out
    given(final(run))
    assert main([*command, "--changed-data"]) == 0
    (good / "001.png").unlink()
    found = replay(run.info.run_id, options(store, data=str(copied)))
    named = "bolt/train/good/000.png, bolt/train/good/001.png, bolt/test/good/new.png"
    assert f"1 changed, 1 missing, 1 added ({named})" in found.verdict()
    assert found.now is None
    shutil.rmtree(good)
    assert main(command) == 1
    printed = capsys.readouterr()
    assert "the data cannot be trained on as it is now: " in printed.err
    assert "missing" in printed.out


def test_data_that_has_moved_is_the_same(store, run, copied, given):
    given(final(run))
    assert replay(run.info.run_id, options(store, data=str(copied))).differences == ()


def test_code_teacher_method_and_libraries_are_named(store, run):
    experiment = configuration(store, run.info.run_id)
    spec = RunSpec.of(experiment, "bolt", 5)
    package = Path(module.__file__).parents[1]
    parts = {**json.loads(run.data.tags["machine_parts"]), "torch": "1.0"}
    altered = {"code": "0", "method": "1", "teacher_fingerprint": "2", "machine_parts": json.dumps(parts)}
    named = [found.what for found in other_differences({**run.data.tags, **altered}, spec, package)]
    assert named == ["code", "method", "teacher's weights", "torch"]
    old = {key: value for key, value in run.data.tags.items() if key not in ("code", "machine_parts")}
    assert other_differences(old, spec, package) == []
    assert [f.what for f in other_differences({**old, "machine": "0"}, spec, package)] == [
        "machine, thread count or library versions"
    ]


def test_what_cannot_be_replayed_is_one_line(store, run, capsys):
    with pytest.raises(ConfigError, match="no run aaaa"):
        replay(32 * "a", options(store))
    with pytest.raises(ConfigError, match="is no finished run of one category and seed \\(level training"):
        replay(run.data.tags["mlflow.parentRunId"], options(store))
    with pytest.raises(ConfigError, match="--repository is for --at-commit"):
        replay(run.info.run_id, options(store, repository="x"))
    with pytest.raises(ConfigError, match="--tolerance is at least 0, got -1"):
        replay(run.info.run_id, options(store, tolerance=-1))
    assert main(["replay", run.info.run_id, "--tracking-uri", store.uri, "--data", "/nowhere"]) == 1
    assert "missing" in capsys.readouterr().out


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A repository whose package `rdpp` gives the seed as a metric, and in its second commit its double."""
    root = tmp_path_factory.mktemp("repository")
    (root / "rdpp").mkdir()

    def git(*arguments):
        author = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
        done = subprocess.run(["git", *author, "-C", str(root), *arguments], check=True, capture_output=True, text=True)
        return done.stdout.strip()

    git("init", "--quiet")
    commits = []
    for factor in (1, 2):
        (root / "rdpp" / "__init__.py").write_text("")
        (root / "rdpp" / "experiment.py").write_text(FAKE_EXPERIMENT)
        (root / "rdpp" / "engine.py").write_text(FAKE_ENGINE.replace("FACTOR", str(factor)))
        git("add", "-A")
        git("commit", "--quiet", "-m", "x")
        commits.append(git("rev-parse", "HEAD"))
    return root, commits


FAKE_EXPERIMENT = """
from types import SimpleNamespace
class ExperimentConfig:
    @staticmethod
    def from_mapping(data, source):
        experiment = SimpleNamespace(data=SimpleNamespace(categories=data["categories"]), seeds=data["seeds"])
        experiment.with_overrides = lambda changes: experiment
        return experiment
"""
FAKE_ENGINE = """
from types import SimpleNamespace
class RunSpec:
    of = staticmethod(lambda experiment, category, seed: seed)
def train(seed, observers):
    if seed == 13:
        raise ValueError("no luck")
    metrics = SimpleNamespace(metrics={"image_auroc": FACTOR * seed})
    return SimpleNamespace(evaluation=metrics, held_out=None, selection_gap={}, epoch=1, epochs=2, steps=3)
"""


@pytest.mark.parametrize(("commit", "value"), [(0, 4.0), (1, 8.0)])
def test_a_clone_trains_with_its_own_code(repository, tmp_path, commit, value):
    root, commits = repository
    package = clone_at(commits[commit], str(root), tmp_path / "clone")
    values = train_with(package, {"categories": ["bolt"], "seeds": [4]}, {}, tmp_path)
    assert values == {"test": {"image_auroc": value}, "held_out": {}, "gap": {}, "epoch": 1, "epochs": 2, "steps": 3}


def test_a_clone_that_cannot_be_had_or_used_is_one_line(repository, tmp_path, monkeypatch):
    root, commits = repository
    with pytest.raises(ConfigError, match="has no commit dddd"):
        clone_at(40 * "d", str(root), tmp_path / "a")
    with pytest.raises(ConfigError, match="cannot be cloned"):
        clone_at(commits[0], str(tmp_path / "none"), tmp_path / "b")
    package = clone_at(commits[0], str(root), tmp_path / "c")
    with pytest.raises(ConfigError, match="failed: ValueError: no luck"):
        train_with(package, {"categories": ["bolt"], "seeds": [13]}, {}, tmp_path)
    with pytest.raises(ConfigError, match="recorded no commit"):
        recorded_commit("r", {})
    assert recorded_commit("r", {"git_commit": commits[0]}) == commits[0]


def test_uncommitted_changes_are_told(store, run, repository, monkeypatch, given):
    root, commits = repository
    monkeypatch.setattr(module, "recorded_commit", lambda run_id, tags: commits[0])
    monkeypatch.setattr(module, "other_differences", lambda tags, spec, package: [])
    monkeypatch.setattr(module, "train_with", lambda package, recorded, changes, scratch: of_training(final(run)))
    told = []
    store.set_tags(run.info.run_id, {"git_dirty": "true"})
    found = replay(run.info.run_id, options(store, at_commit=True, repository=str(root)), tell=told.append)
    assert found.equal
    assert told == [
        f"the run was trained with uncommitted changes on top of commit {commits[0]}, which nobody has recorded"
    ]
