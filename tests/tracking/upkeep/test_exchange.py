"""`rdpp runs export` and `import`: results travel between stores, are found by their keys, and are there once."""

import gzip
import json
from pathlib import Path

import pytest
from tracked import PLAIN, tracked_training

from rdpp.cli import main
from rdpp.comparison.search import find_runs
from rdpp.config import ConfigError
from rdpp.engine import ImagesRead
from rdpp.metrics import of_defect_type
from rdpp.runs import TakenOver
from rdpp.tracking.conventions.metric_names import AUDIT
from rdpp.tracking.conventions.schema import SCHEMA
from rdpp.tracking.reading.finished import evaluations_under
from rdpp.tracking.store.listing import StoredRun
from rdpp.tracking.store.mlflow_store import Store
from rdpp.tracking.upkeep.exchange import IMPORT, ORIGIN, export_runs, import_runs

OLD = Path(__file__).parents[3] / "docs" / "results" / "photographs.jsonl.gz"
NAME = "a (odd) one"
"""Of a defect type: MLflow's keys hold no parentheses."""


@pytest.fixture(scope="module")
def experiment(held_out):
    twice = {"training.epochs": 2, "evaluation.audit": True}
    return held_out.with_overrides({**PLAIN, **twice, "name": "travels", "seeds": [31, 32], "keep": "chosen"})


@pytest.fixture(scope="module")
def here(new_store, tmp_path_factory, experiment):
    """A store with two finished runs, and what they came to."""
    store = Store(new_store(tmp_path_factory.mktemp("here") / "mlflow.db"))
    outcomes = tracked_training(store, experiment)
    for run in store.search("tags.level = 'run'"):
        store.log_metrics(run.info.run_id, {f"test/image_auroc/defect_type/{NAME}": 0.5})
    return store, outcomes


@pytest.fixture
def there(new_store, tmp_path):
    return Store(new_store(tmp_path / "there" / "mlflow.db"))


@pytest.fixture(scope="module")
def file(here, tmp_path_factory):
    path = tmp_path_factory.mktemp("file") / "results.jsonl.gz"
    assert export_runs(here[0], path) == 2
    return path


def leaves(store):
    return {run.data.tags["seed"]: run for run in store.search("tags.level = 'run'")}


def test_values_and_keys_arrive_and_nothing_else(here, there, file):
    assert import_runs(there, file) == (2, 0)
    before, after = leaves(here[0]), leaves(there)
    assert before.keys() == after.keys() == {"31", "32"}
    for seed, run in after.items():
        old, new = StoredRun.of(before[seed]), StoredRun.of(run)
        same = ("key", "key_training", "category", "variant", "machine", "train_manifest", "dead_terms")
        assert {tag: new.tags[tag] for tag in same} == {tag: old.tags[tag] for tag in same}
        assert new.params == old.params
        results = {name: v for name, v in old.metrics.items() if name.startswith(("test/", "selection/"))}
        assert len(results) > 20
        assert results.items() <= new.metrics.items()
        assert new.metrics["training/chosen_epoch"] == old.metrics["training/chosen_epoch"]
        assert not any(name.startswith(("loss", "system", "gradient")) for name in new.metrics)
        assert (new.tags[ORIGIN], new.tags["keep"]) == (old.run_id, "none")
        assert (run.info.start_time, run.info.end_time) == (before[seed].info.start_time, before[seed].info.end_time)
        assert there.client.list_artifacts(run.info.run_id) == []
    (parent,) = there.search(f"tags.level = '{IMPORT}'")
    assert {run.data.tags["mlflow.parentRunId"] for run in after.values()} == {parent.info.run_id}


def test_the_epochs_on_the_test_images_arrive(here, there, file):
    import_runs(there, file)
    before, after = leaves(here[0]), leaves(there)
    for seed, run in after.items():
        audits = evaluations_under(there, run, AUDIT)
        assert len(audits) > 1
        assert audits == evaluations_under(here[0], before[seed], AUDIT)


def test_what_was_taken_in_is_not_trained_again(here, there, file, experiment):
    import_runs(there, file)
    told = []
    without_files = experiment.with_overrides({"keep": "none"})
    outcomes = tracked_training(there, without_files, [told.append], again=False)
    assert {type(event) for event in told if not isinstance(event, ImagesRead)} == {TakenOver}
    for outcome, trained in zip(outcomes, here[1], strict=True):
        assert {name: outcome.metrics[name] for name in trained.metrics} == pytest.approx(trained.metrics, nan_ok=True)
        assert outcome.metrics[f"image_auroc/defect_type/{NAME}"] == 0.5
        assert outcome.deciding["image_auroc"] == trained.deciding["image_auroc"]
    assert [len(event.evaluations()) for event in told if isinstance(event, TakenOver)] == [2, 2]


def test_the_same_results_twice_are_there_once(here, there, file, tmp_path):
    assert import_runs(there, file) == (2, 0)
    assert import_runs(there, file) == (0, 2)
    assert import_runs(here[0], file) == (0, 2)  # where they come from
    onward = tmp_path / "onward.jsonl.gz"
    assert export_runs(there, onward, "tags.seed = '31'") == 1
    assert import_runs(here[0], onward) == (0, 1)


def test_a_run_that_was_taken_in_half_is_taken_in_anew(there, file, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Store, "end_run", lambda *arguments: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            import_runs(there, file)
    assert import_runs(there, file) == (2, 0)


def test_the_commands(here, file, tmp_path, capsys, new_store):
    path, uri = tmp_path / "a" / "b.jsonl.gz", new_store(tmp_path / "c" / "mlflow.db")
    assert main(["runs", "export", str(path), "--where", "tags.seed = '32'", "--tracking-uri", here[0].uri]) == 0
    assert f"{path}: the results of 1 run\n" in capsys.readouterr().err
    assert main(["runs", "import", str(path), "--tracking-uri", uri]) == 0
    assert "1 run taken in, 0 were there already\n" in capsys.readouterr().err
    assert main(["compare", "tags.variant = 'travels'", "--tracking-uri", uri]) == 2
    assert "only one variant (travels)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "there is no .*rdpp runs export writes such a file"),
        (b"no gzip", "is no file of rdpp runs export"),
        (gzip.compress(b"{}\n"), "its lines need ended, evaluations"),
        (gzip.compress(b"[1\n"), "is no file of rdpp runs export"),
        (gzip.compress(b"[1\n")[:10] + b"\xff" * 9, "is no file of rdpp runs export"),
    ],
    ids=["none", "no gzip", "other keys", "no JSON", "damaged"],
)
def test_other_files(there, tmp_path, content, told):
    path = tmp_path / "file"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=told):
        import_runs(there, path)
    assert there.search("") == []


def test_a_folder_is_no_file(here, there, tmp_path):
    with pytest.raises(ConfigError, match=f"there is no file {tmp_path}; "):
        import_runs(there, tmp_path)
    with pytest.raises(ConfigError, match=f"{tmp_path} is a folder; give another file"):
        export_runs(here[0], tmp_path)


def test_results_of_a_newer_version_are_refused(there, file, tmp_path):
    first, second = gzip.decompress(file.read_bytes()).decode().splitlines()
    newer = json.loads(second)
    newer["tags"]["schema"] = "1000"
    path = tmp_path / "newer.jsonl.gz"
    path.write_bytes(gzip.compress(f"{first}\n{json.dumps(newer)}\n".encode()))
    with pytest.raises(ConfigError, match="was written by a newer rdpp"):
        import_runs(there, path)
    assert there.search("") == []


def test_results_of_an_earlier_version_are_taken_in_with_the_names_of_today(there, tmp_path):
    """The file was written under schema 3, with `chosen/image_auroc`, `chosen/held_out/...` and `chosen_epoch`."""
    old = json.loads(gzip.decompress(OLD.read_bytes()).splitlines()[0])
    assert old["tags"]["schema"] == "3"
    path = tmp_path / "old.jsonl.gz"
    path.write_bytes(gzip.compress(json.dumps(old).encode()))
    assert import_runs(there, path) == (1, 0)
    (run,) = find_runs(there, ["tags.seed = '1'"]).runs
    assert run.metrics["image_auroc"] == old["metrics"]["chosen/image_auroc"]
    assert run.metrics["held_out/pixel_ap"] == old["metrics"]["chosen/held_out/pixel_ap"]
    name = of_defect_type("pixel_aupro", "contamination")
    assert run.metrics[name] == old["metrics"][f"chosen/{name}"]
    (stored,) = there.search("tags.level = 'run'")
    assert stored.data.tags["schema"] == str(SCHEMA)
    assert stored.data.metrics["training/chosen_epoch"] == old["metrics"]["chosen_epoch"]
    assert not any(name.startswith("chosen") for name in stored.data.metrics)
    epochs = there.client.get_metric_history(run.run_id, "held_out/image_auroc")
    assert [[point.step, point.value] for point in epochs] == [
        [epoch, of["image_auroc"]] for epoch, of in old["evaluations"]
    ]


def test_a_run_of_an_earlier_version_is_exported_with_the_names_of_today(there, tmp_path):
    tags = {"level": "run", "schema": "3", "category": "bolt", "seed": 1}
    run = there.start_run("old", tags=tags)
    there.log_metrics(run, {"chosen/image_auroc": 0.5, "chosen_epoch": 2, "loss/total": 1.0})
    there.end_run(run, "FINISHED", {})
    path = tmp_path / "new.jsonl.gz"
    assert export_runs(there, path) == 1
    line = json.loads(gzip.decompress(path.read_bytes()))
    assert line["metrics"] == {"test/image_auroc": 0.5, "training/chosen_epoch": 2}
    assert line["tags"]["schema"] == str(SCHEMA)


def test_nothing_to_export(there, tmp_path):
    with pytest.raises(ConfigError, match=r"no finished run answers tags\.seed = '7'"):
        export_runs(there, tmp_path / "file", "tags.seed = '7'")
    assert not (tmp_path / "file").exists()
