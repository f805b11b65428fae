import dataclasses
import math
import shutil
import threading
import time
from itertools import islice, permutations, product

import numpy as np
import optuna
import pytest
from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import DBAPIError
from tracked import PLAIN, WEIGHT, tracked_study

from rdpp.config import ConfigError
from rdpp.engine import BatchFinished, RunStarted
from rdpp.runs import WorkFolder, patience
from rdpp.sweep import SweepConfig
from rdpp.sweep import study as module
from rdpp.sweep.after import Best
from rdpp.sweep.chance import Chance
from rdpp.sweep.config import SamplerConfig
from rdpp.sweep.findings import findings, spread, spread_sentence
from rdpp.sweep.report import as_json, table
from rdpp.sweep.space import FloatRange, base_point
from rdpp.sweep.study import open_study, remaining_trials
from rdpp.tracking.conventions.schema import SCHEMA
from rdpp.tracking.store.mlflow_store import Store
from rdpp.tracking.ui.views import saved_views

METRICS = ("image_auroc", "pixel_auroc")
RATE = "optimizer.restoration_lr"
SPACE = {WEIGHT: FloatRange(0.01, 1.0, log=True), RATE: FloatRange(1e-4, 1e-2, log=True)}
REACH = {path: optuna.distributions.FloatDistribution(1e-4, 1.0) for path in SPACE}


@pytest.fixture
def sweep(tiny, request):
    experiment = tiny.with_overrides({"data.categories": ["weave", "bolt"], **PLAIN, "keep": "none"})
    return SweepConfig(request.node.name, experiment, SPACE, 2, METRICS, SamplerConfig(startup_trials=1))


@pytest.fixture
def opened(storage, tmp_path):
    """Open the study of a sweep."""
    return lambda sweep, url=storage: open_study(sweep, url, WorkFolder(tmp_path / "work"))


def found(points):
    """What a study came to."""
    return [(t.params, t.state, t.value, t.intermediate_values, t.user_attrs) for t in points.all()]


def one_trial(sweep, storage, store, values):
    """The trial of a study with these values alone."""
    sweep = dataclasses.replace(sweep, trials=1)

    def first(job):
        job.points.study.enqueue_trial(values)

    (trial,) = tracked_study(sweep, storage, store, change=first)[0].all()
    return trial


def test_an_undefined_objective_is_refused_before_the_first_trial(sweep, storage, store_uri, opened):
    sweep = dataclasses.replace(sweep, objective=("image_auroc", "pixel_aupimo"))
    with pytest.raises(ConfigError, match=r"the objective goes by pixel_aupimo, which .* too few normal"):
        tracked_study(sweep, storage, Store(store_uri))
    assert opened(sweep).all() == []


def test_a_study_runs_its_trials_under_one_mlflow_tree(sweep, storage, store_uri):
    store = Store(store_uri)
    points, run_id = tracked_study(sweep, storage, store)
    assert remaining_trials(sweep, points) == 0
    parent = store.client.get_run(run_id)
    assert parent.info.status == "FINISHED"
    assert parent.data.metrics["best_objective"] == pytest.approx(points.study.best_value)
    trials = store.client.search_runs([store.experiment_id], f"tags.`mlflow.parentRunId` = '{run_id}'")
    assert sorted(t.info.run_name for t in trials) == ["trial 0", "trial 1"]
    assert {t.info.status for t in trials} == {"FINISHED"}
    for trial in trials:
        query = f"tags.`mlflow.parentRunId` = '{trial.info.run_id}'"
        leaves = store.client.search_runs([store.experiment_id], query)
        assert {leaf.data.tags["study"] for leaf in leaves} == {sweep.name}
        assert len(leaves) == 2 or trial.data.tags["state"] == "pruned"
    artifacts = {a.path for a in store.client.list_artifacts(run_id)} | {
        a.path for a in store.client.list_artifacts(run_id, "figures")
    }
    assert {"best.json", "trials.csv", "figures.html", "figures/slices.json"} <= artifacts
    assert f"The best is trial {points.study.best_trial.number}, " in parent.data.tags["mlflow.note.content"]
    assert {view.name for view in saved_views(store) if view.root == run_id} == {
        f"{sweep.name}: trials",
        f"{sweep.name}: runs",
    }


def test_a_trial_and_its_runs_share_a_colour_and_a_name(sweep, storage, store_uri):
    store = Store(store_uri)
    _, run_id = tracked_study(dataclasses.replace(sweep, trials=1), storage, store)
    trial, *leaves = sorted(store.search(f"tags.root = '{run_id}'"), key=lambda run: run.data.tags["level"] == "run")
    assert trial.info.run_name == "trial 0"
    assert {leaf.info.run_name for leaf in leaves} == {"trial 0 · weave · seed 1", "trial 0 · bolt · seed 1"}
    assert {run.data.tags["mlflow.runColor"] for run in (trial, *leaves)} == {"#3375bd"}
    assert {"test/image_auroc", "test/pixel_auroc/category/bolt", "trial"} <= trial.data.metrics.keys()


def test_a_study_that_stopped_goes_on_as_it_would_have_gone(sweep, storage, store_uri):
    """Stopped in the middle of a trial, and between two: what had finished is not trained again."""
    store, name = Store(store_uri), sweep.name
    sweep = dataclasses.replace(sweep, pruner="none")
    whole, _ = tracked_study(dataclasses.replace(sweep, name=f"{name} whole"), storage, store)
    parts = dataclasses.replace(sweep, name=f"{name} parts")
    started = time.time()
    begun = []

    def interrupt(event) -> None:
        begun.append(event) if isinstance(event, RunStarted) else None
        if len(begun) == 2 and isinstance(event, BatchFinished):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tracked_study(parts, storage, store, [interrupt], since=started)
    begun.clear()
    tracked_study(dataclasses.replace(parts, trials=1), storage, store, [begun.append], since=started)
    points, run_id = tracked_study(parts, storage, store, [begun.append], since=started)
    assert found(points) == found(whole)
    assert [trial.number for trial in points.all()] == [0, 1]
    assert sum(isinstance(event, RunStarted) for event in begun) == 3
    trials = store.search(f"tags.`mlflow.parentRunId` = '{run_id}'")
    assert sorted(run.info.run_name for run in trials) == ["trial 0", "trial 1"]
    assert {run.info.status for run in [*trials, store.client.get_run(run_id)]} == {"FINISHED"}
    (first,) = (run for run in trials if run.info.run_name == "trial 0")
    leaves = store.search(f"tags.`mlflow.parentRunId` = '{first.info.run_id}'")
    assert [leaf.info.status for leaf in leaves] == ["FINISHED"] * 2  # the interrupted one went on as itself


def test_a_changed_definition_is_not_mixed_into_an_old_study(sweep, opened):
    opened(sweep)
    changed = dataclasses.replace(sweep, objective=("pixel_aupro",))
    told = r"definition: objective was \['image_auroc', 'pixel_auroc'\], is \['pixel_aupro'\]; give the sweep another"
    with pytest.raises(ValueError, match=told):
        opened(changed)
    more = dataclasses.replace(sweep, trials=50, keep_runs="all")
    assert opened(more).study.study_name == sweep.name


def test_what_differs_in_a_definition_is_named_with_its_old_and_new_value(sweep, opened):
    study = opened(sweep).study
    path, dimension = next(iter(sweep.space.items()))
    space = {path: dataclasses.replace(dimension, high=0.75), "noise.scale": dimension}
    experiment = sweep.experiment.with_overrides({"seeds": [8, 9], "evaluation.sigma": 3, "training.batch_size": 2})
    with pytest.raises(ValueError, match=rf"space\.{path}\.high was {dimension.high}, is 0\.75; "):
        opened(dataclasses.replace(sweep, space={path: space[path]}))
    changed = dataclasses.replace(sweep, experiment=experiment, space=space)
    with pytest.raises(ValueError, match=r"is \[8, 9\]; .*is not there; and 6 more; give the sweep another name"):
        opened(changed)
    study.set_user_attr("definition_values", None)  # one from before they were kept
    with pytest.raises(ValueError, match="another definition: another space, experiment, categories, seeds"):
        opened(changed)
    opened(sweep)
    with pytest.raises(ValueError, match=r"and \d+ more"):
        opened(changed)


def test_a_study_of_an_older_version_is_refused(sweep, opened):
    study = opened(sweep).study
    study.set_user_attr("schema", 3)  # whose runs had other names of metrics: read all the same
    opened(sweep)
    study.set_user_attr("schema", 1)
    with pytest.raises(ValueError, match=rf"was started by another version of rdpp \(schema 1, this one: {SCHEMA}\)"):
        opened(sweep)


@pytest.mark.parametrize("error", [StorageInternalError("gone"), DBAPIError("", {}, OSError("refused"))])
def test_a_worker_waits_for_a_database_that_is_away_as_it_starts(sweep, storage, tmp_path, monkeypatch, error):
    opened, waited = module.RDBStorage, []

    def away(*arguments, **named):
        if not waited:
            raise error
        return opened(*arguments, **named)

    monkeypatch.setattr(module, "RDBStorage", away)
    monkeypatch.setattr(module, "create_sqlite", lambda *_: None)
    monkeypatch.setattr(patience.time, "sleep", waited.append)
    locks = WorkFolder(tmp_path / "work")
    with pytest.raises(ConfigError, match=r"the storage sqlite:.* cannot be used \(.*(gone|refused).*\); give another"):
        open_study(sweep, storage, locks)
    assert open_study(sweep, storage, locks, must_be_there=False).all() == []
    assert len(waited) == 1


def test_a_storage_that_cannot_be_used_is_named_without_its_password(sweep, opened, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="cannot be used"):
        opened(sweep, f"sqlite:///{tmp_path / 'file' / 'x.db'}")
    with pytest.raises(ValueError, match=r"storage nonsense://user:\*\*\*@host/db cannot be used") as caught:
        opened(sweep, "nonsense://user:secret@host/db")
    assert "secret" not in str(caught.value)


def test_the_environment_names_a_storage(sweep, storage, opened, monkeypatch):
    monkeypatch.setenv("RDPP_STORAGE", storage)
    assert opened(sweep, None).key == opened(sweep, storage).key


def test_two_that_open_a_study_at_once_find_one(sweep, storage, opened):
    threads, studies = [], []
    for _ in range(4):
        threads.append(threading.Thread(target=lambda: studies.append(opened(sweep).key)))
        threads[-1].start()
    for thread in threads:
        thread.join()
    assert len(studies) == 4
    assert len(set(studies)) == 1


@pytest.mark.parametrize(("instances", "name"), [(6, "wilcoxon"), (5, "median"), (1, "median")])
def test_the_pruner_is_one_that_can_decide(sweep, instances, name):
    chosen, reason = sweep.chosen_pruner(instances)
    assert chosen == name
    assert str(instances) in reason


def test_a_sweep_chooses_by_held_out_images_unless_it_says_otherwise(held_out, tmp_path):
    import yaml

    (tmp_path / "base.yaml").write_text(held_out.with_overrides({"evaluation.selection": "official"}).to_yaml())
    data = {"name": "s", "experiment": "base.yaml", "space": {"noise.scale": {"low": 0.1, "high": 1}}, "trials": 1}
    path = tmp_path / "sweep.yaml"
    path.write_text(yaml.safe_dump(data))
    assert SweepConfig.from_yaml(path).experiment.evaluation.selection == "held_out"
    path.write_text(yaml.safe_dump({**data, "set": {"evaluation.selection": "official"}}))
    assert SweepConfig.from_yaml(path).experiment.evaluation.selection == "official"


@pytest.mark.slow
def test_the_objective_of_a_trial_does_not_see_the_test_set(held_out, storage, store_uri, tmp_path):
    """Scrambled test images change what is shown of a trial, not its value."""
    import shutil

    from PIL import Image

    store, values = Store(store_uri), []
    for scrambled in (False, True):
        root = tmp_path / str(scrambled)
        shutil.copytree(held_out.data.root, root)
        for path in (root / "bolt" / "test").rglob("*.png") if scrambled else ():
            Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save(path)
        experiment = held_out.with_overrides({"data.root": str(root), **PLAIN, "keep": "none"})
        sweep = SweepConfig(f"scrambled {scrambled}", experiment, SPACE, 1, METRICS)
        trial = one_trial(sweep, storage, store, {WEIGHT: 0.1, RATE: 1e-3})
        values.append((trial.value, trial.user_attrs["run/1/bolt"]))
    assert values[0][0] == values[1][0]
    assert values[0][1]["metrics"] == values[1][1]["metrics"]
    assert values[0][1]["test"] != values[1][1]["test"]


def test_a_named_pruner_is_used(sweep):
    assert dataclasses.replace(sweep, pruner="none").chosen_pruner(9) == ("none", "as the sweep file says")


def finished(value: float, by_cell: dict[tuple[str, int], float]) -> optuna.trial.FrozenTrial:
    def metrics(v: float) -> dict[str, float]:
        return {"image_auroc": v, "pixel_auroc": v}

    attrs = {f"run/{s}/{c}": {"metrics": metrics(v), "test": metrics(v / 2)} for (c, s), v in by_cell.items()}
    return optuna.trial.create_trial(
        value=value, params=dict.fromkeys(SPACE, 0.1), distributions=REACH, user_attrs=attrs
    )


def test_the_spread_of_seeds_stands_beside_that_of_trials(sweep):
    study = optuna.create_study(direction="maximize")
    study.add_trial(finished(0.60, {("a", 1): 0.5, ("b", 1): 0.6, ("a", 2): 0.6, ("b", 2): 0.7}))
    study.add_trial(finished(0.85, {("a", 1): 0.7, ("b", 1): 0.8, ("a", 2): 0.9, ("b", 2): 1.0}))
    found = spread(sweep, study)
    assert found.trials == pytest.approx(0.25 / math.sqrt(2))
    # the means over categories are 0.55, 0.65 and 0.75, 0.95: beside rows and columns 0.025 is left in each
    assert found.chance.deviation == pytest.approx(0.05 / math.sqrt(2))
    assert (found.complete, found.chance.degrees) == (2, 1)
    assert "may be chance" in spread_sentence(found)  # F = 25 of 1 and 1 degrees of freedom: p = 0.13
    more = dataclasses.replace(found, complete=6, chance=Chance(found.chance.deviation, 5))
    assert "may be chance" not in spread_sentence(more)
    assert "Too few" in spread_sentence(dataclasses.replace(found, trials=float("nan")))


def test_the_table_and_json_show_every_trial_by_category(sweep):
    study = optuna.create_study(direction="maximize")
    study.add_trial(finished(0.6, {("a", 1): 0.5, ("b", 1): 0.7}))
    study.add_trial(finished(0.8, {("a", 1): 0.7, ("b", 1): 0.9}))
    rows = table(sweep, study)
    assert rows.row_count == 2
    assert list(rows.columns[0].cells) == ["1", "0"]  # the best first
    data = as_json(sweep, study, findings(sweep, study), "run", Best(study.best_trial, "small", None, None))
    values = dict.fromkeys(SPACE, 0.1)
    assert data["best"] == {"trial": 1, "value": 0.8, "params": values, "source": "small", "model": None}
    assert data["trials"][1]["test_value"] == pytest.approx(0.4)
    assert data["trials"][0]["by_category"] == {"a": 0.5, "b": 0.7}


def test_the_trial_that_is_the_experiment_as_it_stands_is_marked(sweep):
    study = optuna.create_study(direction="maximize")
    study.add_trial(finished(0.6, {("a", 1): 0.6}))
    rows = table(sweep, study)
    assert list(rows.columns[0].cells) == ["0"]
    assert "base" not in str(rows.title)
    own = base_point(sweep.space, sweep.experiment)
    assert own is not None
    trial = finished(0.5, {("a", 1): 0.5})
    study.add_trial(optuna.trial.create_trial(value=0.5, params=own, distributions=REACH, user_attrs=trial.user_attrs))
    rows = table(sweep, study)
    assert list(rows.columns[0].cells) == ["0", "base 1"]
    assert str(rows.title).endswith("per cent; base: the experiment as it stands")
    data = as_json(sweep, study, findings(sweep, study), "run", None)
    assert [trial["base"] for trial in data["trials"]] == [False, True]


def test_in_whichever_order_its_runs_ended_a_trial_comes_to_the_same(sweep):
    values = {cell: 0.1 * number**0.5 for number, cell in enumerate(product("abc", range(2)))}
    study = optuna.create_study(direction="maximize")
    for order in islice(permutations(values.items()), 100):
        study.add_trial(finished(0.5, dict(order)))
    trials = as_json(sweep, study, findings(sweep, study), "run", None)["trials"]
    assert len({(trial["test_value"], *trial["by_category"].values()) for trial in trials}) == 1


def test_a_metric_that_the_test_images_do_not_define_is_a_dash(sweep):
    study = optuna.create_study(direction="maximize")
    trial = finished(0.6, {("a", 1): 0.5})
    trial.user_attrs["run/1/a"]["test"] = {"image_auroc": 0.4}
    study.add_trial(trial)
    assert list(table(sweep, study).columns[-2].cells) == ["-"]
    assert as_json(sweep, study, findings(sweep, study), "run", None)["trials"][0]["test_value"] is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"trials": 0}, "trials must be at least 1"),
        ({"objective": ("image_auroq",)}, "unknown objective metric 'image_auroq', did you mean 'image_auroc'"),
        ({"objective": ()}, "at least one metric"),
        ({"sampler": {"seed": -1}}, "seed must be at least 0"),
        ({"sampler": {"startup_trials": 0}}, "startup_trials must be at least 1"),
        ({"space": {"noise.scal": {"low": 0.1, "high": 1}}}, "did you mean 'scale'"),
        ({"prunner": "none"}, "did you mean 'pruner'"),
        ({"set": {"data.root": "/nowhere"}}, "no data folder at /nowhere"),
        ({"set": 3}, "set must be a mapping"),
        ({"experiment": 3}, "experiment must be the path"),
    ],
)
def test_a_sweep_file_is_checked_before_the_first_trial(tiny, tmp_path, change, message):
    import yaml

    (tmp_path / "base.yaml").write_text(tiny.to_yaml())
    data = {"name": "s", "experiment": "base.yaml", "space": {"noise.scale": {"low": 0.1, "high": 1}}, "trials": 1}
    path = tmp_path / "sweep.yaml"
    path.write_text(yaml.safe_dump({**data, **{k: list(v) if isinstance(v, tuple) else v for k, v in change.items()}}))
    with pytest.raises(ValueError, match=message):
        SweepConfig.from_yaml(path)


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_a_foreign_study_of_the_same_name_is_refused(sweep, storage, opened, direction):
    foreign = optuna.create_study(storage=storage, study_name=sweep.name, direction=direction)
    foreign.add_trial(optuna.trial.create_trial(value=0.5))
    with pytest.raises(ValueError, match=rf"that rdpp did not start \(directions: {direction}; 1 trials\); give the"):
        opened(sweep)


def test_a_diverging_trial_is_a_result_and_the_study_goes_on(sweep, storage, store_uri, opened):
    experiment = sweep.experiment.with_overrides({"data.categories": ["bolt"]})
    space, store = {RATE: FloatRange(1e-3, 1e38, log=True)}, Store(store_uri)
    sweep = dataclasses.replace(sweep, space=space, experiment=experiment)
    points = opened(sweep)
    for rate in (1e38, 4e-3):
        points.study.enqueue_trial({RATE: rate})
    points, _ = tracked_study(sweep, storage, store)
    trials = points.all()
    assert [t.state.name for t in trials] == ["FAIL", "COMPLETE"]
    assert "not finite; did training diverge?" in trials[0].user_attrs["failure"]
    rows = {row[0]: row[-1] for row in zip(*(c.cells for c in table(sweep, points.study).columns), strict=True)}
    assert rows["0"] == "failed in run 1"
    query = f"tags.study = '{sweep.name}' and tags.trial = '0' and tags.level = 'run'"
    (run,) = store.search(query)
    assert (run.info.status, "NotFinite" in run.data.tags["error"]) == ("FAILED", True)
    again, _ = tracked_study(sweep, storage, store)
    assert len(again.all()) == 2


def test_a_category_that_cannot_be_read_stops_no_study_that_may_go_on_without_it(sweep, storage, store_uri, tmp_path):
    """Also where epochs follow from the number of its images."""
    root = tmp_path / "data"
    shutil.copytree(sweep.experiment.data.root, root)
    next((root / "weave" / "train" / "good").iterdir()).write_bytes(b"no image")
    experiment = sweep.experiment.with_overrides(
        {"data.root": str(root), "training.epochs": None, "training.steps": 3, "data.cache": str(tmp_path / "cache")}
    )
    changed = dataclasses.replace(sweep, experiment=experiment, allow_failed_runs=True, pruner="halving", trials=1)
    (trial,) = tracked_study(changed, storage, Store(store_uri))[0].all()
    assert (trial.state.name, sum(key.startswith("run/") for key in trial.user_attrs)) == ("COMPLETE", 1)
