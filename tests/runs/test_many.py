"""Finished runs are taken over by every command; changed test files ask for an evaluation, not for a training."""

import dataclasses
import io
import shutil
from pathlib import Path
from zlib import crc32

import numpy as np
import optuna
import pytest
import yaml
from rich.console import Console
from tracked import PLAIN, WEIGHT, tracked_ablation, tracked_study, tracked_training

from rdpp.ablation.config import AblationConfig
from rdpp.ablation.run import matrix, missing
from rdpp.comparison.search import find_runs
from rdpp.config import ConfigError
from rdpp.display.console import ConsoleObserver
from rdpp.display.screen import Terminal
from rdpp.engine import BatchFinished, RunFinished, RunStarted, grid
from rdpp.runs import TakenOver
from rdpp.sweep import SweepConfig
from rdpp.sweep.config import SamplerConfig
from rdpp.sweep.halving import HalvingConfig
from rdpp.sweep.space import FloatRange
from rdpp.tracking.reading.evaluation import evaluate_source
from rdpp.tracking.reading.finished import download_checkpoint
from rdpp.tracking.store.mlflow_store import Store
from rdpp.tracking.tree import MlflowTree


@pytest.fixture(scope="module")
def store(new_store, tmp_path_factory):
    """A store of this module's own: what other tests trained may not be found."""
    return Store(new_store(tmp_path_factory.mktemp("mlflow") / "mlflow.db"))


@pytest.fixture
def own(request, tmp_path):
    """Of an experiment: a copy of its data, and the test's own seed, so that no test meets another's runs."""
    seed = crc32(request.node.name.encode())
    return {**PLAIN, "name": request.node.name, "data.root": str(tmp_path / "data"), "seeds": [seed]}


@pytest.fixture
def experiment(tiny, own):
    """The last epoch counts, whatever the test images say."""
    shutil.copytree(tiny.data.root, own["data.root"])
    return tiny.with_overrides(own)


@pytest.fixture
def honest(held_out, own):
    """Held-out images choose the epoch."""
    shutil.copytree(held_out.data.root, own["data.root"])
    return held_out.with_overrides(own)


@pytest.fixture(scope="module")
def finished(store, held_out):
    """An experiment whose run is finished, and the run's outcome. Nothing is trained under its name any more."""
    experiment = held_out.with_overrides({**PLAIN, "name": "finished", "seeds": [99]})
    (outcome,), _ = go(store, experiment)
    return experiment, outcome


class Told:
    """Counts what happens."""

    def __init__(self):
        self.events = []

    def __call__(self, event):
        self.events.append(event)

    def count(self, kind):
        return sum(isinstance(event, kind) for event in self.events)

    @property
    def trained(self):
        return len({id(e) for e in self.events if isinstance(e, BatchFinished) and e.batch == 1})


def go(store, experiment, **how):
    told = Told()
    return tracked_training(store, experiment, [told], again=how.pop("again", False)), told


def runs(store, experiment):
    return store.search(f"tags.variant = '{experiment.name}' and tags.level = 'run'")


def leave_out_a_test_image(experiment):
    min((Path(experiment.data.root) / "bolt" / "test" / "good").iterdir()).unlink()


def test_a_finished_run_is_taken_over_with_its_values(store, finished):
    experiment, first = finished
    (second,), told = go(store, experiment)
    assert (told.trained, told.count(TakenOver)) == (0, 1)
    assert first.run_id is None
    (run,) = runs(store, experiment)
    assert second.run_id == run.info.run_id
    assert (second.epoch, second.steps) == (first.epoch, first.steps)
    np.testing.assert_equal(dict(second.metrics), dict(first.metrics))
    of_all_defects = {name: value for name, value in first.deciding.items() if "/" not in name}
    np.testing.assert_equal(dict(second.deciding), of_all_defects)


def test_the_console_says_which_run_is_taken_over(store, finished):
    experiment, _ = finished
    text = io.StringIO()
    with Terminal(1, Console(file=text, width=300)) as screen:
        tracked_training(store, experiment, [ConsoleObserver(screen)], again=False)
    (run,) = runs(store, experiment)
    assert f"run {run.info.run_id} is taken over; --again trains it anew" in text.getvalue()


def test_a_finished_run_with_more_files_than_are_wanted_now_is_taken_over(store, finished):
    _, told = go(store, finished[0].with_overrides({"keep": "none"}))
    assert (told.trained, told.count(TakenOver)) == (0, 1)


@pytest.mark.parametrize(
    ("had", "wanted", "trained"),
    [
        ({"keep": "none"}, {"keep": "chosen"}, 1),
        pytest.param({"keep": "last"}, {"keep": "chosen"}, 1, marks=pytest.mark.slow),
        pytest.param({"keep_maps": False}, {"keep_maps": True}, 1, marks=pytest.mark.slow),
        pytest.param({"keep_maps": True}, {"keep_maps": False}, 0, marks=pytest.mark.slow),
    ],
)
def test_a_finished_run_without_the_files_that_are_wanted_now_is_trained(store, experiment, had, wanted, trained):
    go(store, experiment.with_overrides(had))
    _, told = go(store, experiment.with_overrides(wanted))
    assert (told.trained, told.count(TakenOver)) == (trained, 1 - trained)


def test_the_same_runs_of_another_experiment_stand_under_a_parent_of_its_own(store, finished):
    renamed = dataclasses.replace(finished[0], name="renamed")
    _, told = go(store, renamed)
    assert told.count(TakenOver) == 1
    assert len(store.search(f"tags.level = 'training' and tags.variant = '{renamed.name}'")) == 1


def test_again_trains_it_anew_under_a_parent_of_its_own(store, experiment):
    go(store, experiment)
    _, told = go(store, experiment, again=True)
    assert told.trained == 1
    both = runs(store, experiment)
    assert len(both) == len({run.data.tags["mlflow.parentRunId"] for run in both}) == 2
    assert len({run.data.tags["key"] for run in both}) == 1


def test_training_that_was_stopped_goes_on_under_the_same_parent(store, experiment):
    experiment = experiment.with_overrides({"seeds": [1, 2]})

    def stop_in_the_second_run(event):
        if isinstance(event, BatchFinished) and told.trained == 2:
            raise KeyboardInterrupt

    told = Told()
    with pytest.raises(KeyboardInterrupt):
        tracked_training(store, experiment, [told, stop_in_the_second_run], again=False)
    outcomes, told = go(store, experiment)
    assert (told.trained, told.count(TakenOver)) == (1, 1)
    assert [outcome.spec.seed for outcome in outcomes] == [1, 2]
    (parent,) = store.search(f"tags.variant = '{experiment.name}' and tags.level = 'training'")
    assert parent.info.status == "FINISHED"
    finished = [run for run in runs(store, experiment) if run.info.status == "FINISHED"]
    assert [run.data.tags["mlflow.parentRunId"] for run in finished] == [parent.info.run_id] * 2
    values = [outcome.metrics["pixel_auroc"] for outcome in outcomes]
    assert parent.data.metrics["test/pixel_auroc"] == pytest.approx(np.mean(values))


def test_other_test_files_are_evaluated_and_nothing_is_trained(store, honest):
    (before,), _ = go(store, honest)
    leave_out_a_test_image(honest)
    (after,), told = go(store, honest)
    assert (told.trained, told.count(RunStarted), told.count(RunFinished)) == (0, 1, 1)
    new, old = runs(store, honest)
    assert new.data.tags["evaluation_of"] == old.info.run_id
    assert new.data.tags["key_training"] == old.data.tags["key_training"]
    assert new.data.tags["key"] != old.data.tags["key"]
    assert new.data.tags["dead_terms"] == old.data.tags["dead_terms"]
    assert new.data.tags["test_manifest"] != old.data.tags["test_manifest"]
    for name in ("image_auroc", "pixel_auroc", "pixel_aupro"):
        assert after.deciding[name] == pytest.approx(before.deciding[name], abs=1e-6)
    assert (after.epoch, after.steps) == (before.epoch, before.steps)
    (evaluated,) = evaluate_source(new.info.run_id, store.uri, None, {"device": "cpu"})  # it has the checkpoint too
    np.testing.assert_equal(dict(evaluated.evaluation.metrics), dict(after.metrics))
    _, told = go(store, honest)
    assert told.count(TakenOver) == 1


@pytest.mark.parametrize(
    "changes", [{"keep": "none"}, pytest.param({"evaluation.selection": "official"}, marks=pytest.mark.slow)]
)
def test_without_a_checkpoint_or_where_the_test_files_decide_it_is_trained(store, honest, changes):
    honest = honest.with_overrides({**changes, "name": f"{honest.name}-{min(changes)}"})
    go(store, honest)
    leave_out_a_test_image(honest)
    _, told = go(store, honest)
    assert told.trained == 1


def test_a_checkpoint_of_another_epoch_is_not_evaluated(store, finished, tmp_path):
    """Such as the last one's, where another was chosen."""
    with MlflowTree(store=store) as tree:
        found = tree.find(grid(finished[0])[0])
    run_id, epoch = found.run_id, found.epoch
    assert download_checkpoint(store, run_id, epoch, tmp_path) is not None
    assert download_checkpoint(store, run_id, epoch + 1, tmp_path) is None


def test_test_files_that_come_later_are_part_of_the_key_then(store, honest, tmp_path):
    folder = tmp_path / "data" / "bolt"
    (folder / "test").rename(folder / "away")

    def bring_back(event):
        if isinstance(event, BatchFinished) and (folder / "away").is_dir():
            (folder / "away").rename(folder / "test")

    tracked_training(store, honest, [bring_back], again=False)
    _, told = go(store, honest)
    assert told.count(TakenOver) == 1


def test_an_ablation_takes_over_what_plain_training_finished_and_compares_it(store, honest, tmp_path):
    honest = honest.with_overrides({"seeds": [1, 2], "evaluation.hold_out": 0.2})
    go(store, honest)
    (tmp_path / "base.yaml").write_text(honest.to_yaml())
    variants = {"same": {}, "other": {WEIGHT: 0.7}}
    data = {"name": "taking", "experiment": "base.yaml", "baseline": "same", "variants": variants}
    (tmp_path / "ablation.yaml").write_text(yaml.safe_dump(data))
    told = Told()
    tracked_ablation(AblationConfig.from_yaml(tmp_path / "ablation.yaml"), store, [told])
    assert (told.trained, told.count(TakenOver)) == (2, 2)
    run_set = find_runs(store, ["taking"])
    assert sorted((run.variant, run.seed) for run in run_set.runs) == [
        ("other", 1),
        ("other", 2),
        ("same", 1),
        ("same", 2),
    ]
    assert run_set.notes == ()


@pytest.mark.slow
def test_a_trial_takes_over_what_its_dead_process_finished_and_reports_it_as_it_would_have(
    store, honest, new_storage, tmp_path
):
    """The process died when a run was finished, before it told the study: its gates are passed again from the store."""
    honest = honest.with_overrides({"seeds": [1, 2], "training.epochs": 2})
    space, rungs = {WEIGHT: FloatRange(0.01, 1.0)}, HalvingConfig(min_resource=1, reduction_factor=3)
    sweep = SweepConfig(honest.name, honest, space, 1, sampler=SamplerConfig("random"), pruner="halving", halving=rungs)
    urls = {name: new_storage(tmp_path / f"{name}.db") for name in ("parts", "whole")}

    def study(name, observers=(), **how):
        return tracked_study(sweep, urls[name], store, observers, **how)

    def die(*arguments):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        study("parts", again=False, change=lambda job: setattr(job, "settle", die))
    told = Told()
    parts, run_id = study("parts", [told], again=False)
    assert (told.trained, told.count(TakenOver)) == (1, 1)
    whole, _ = study("whole", again=True)
    (found,), (expected,) = parts.all(), whole.all()
    assert found.state == optuna.trial.TrialState.COMPLETE
    assert found.value == expected.value
    assert list(expected.intermediate_values) == [1, 3]
    assert found.intermediate_values == expected.intermediate_values
    assert found.user_attrs == expected.user_attrs
    (trial,) = store.search(f"tags.`mlflow.parentRunId` = '{run_id}'")
    children = store.search(f"tags.`mlflow.parentRunId` = '{trial.info.run_id}'")
    assert [run.info.status for run in children] == ["FINISHED"] * 2
    assert [run.data.tags["trial"] for run in children] == ["0"] * 2


def test_equal_runs_of_one_command_are_trained_once(store, honest, tmp_path):
    (tmp_path / "base.yaml").write_text(honest.with_overrides({"seeds": [21, 22]}).to_yaml())
    variants = {"one": {}, "two": {}}
    data = {"name": "twins", "experiment": "base.yaml", "baseline": "one", "variants": variants}
    (tmp_path / "ablation.yaml").write_text(yaml.safe_dump(data))
    told = Told()
    tracked_ablation(AblationConfig.from_yaml(tmp_path / "ablation.yaml"), store, [told])
    assert (told.trained, told.count(TakenOver)) == (2, 2)
    assert {run.variant for run in find_runs(store, ["twins"]).runs} == {"one", "two"}


@pytest.mark.slow
def test_an_ablation_whose_test_images_changed_is_not_complete_any_more(store, honest, tmp_path):
    (tmp_path / "base.yaml").write_text(honest.with_overrides({"seeds": [31, 32]}).to_yaml())
    variants = {"one": {}, "two": {WEIGHT: 0.3}}
    data = {"name": "images", "experiment": "base.yaml", "baseline": "one", "variants": variants}
    (tmp_path / "ablation.yaml").write_text(yaml.safe_dump(data))
    ablation = AblationConfig.from_yaml(tmp_path / "ablation.yaml")
    tracked_ablation(ablation, store)
    before = {run.run_id for run in find_runs(store, ["images"]).runs}
    leave_out_a_test_image(honest)
    with MlflowTree(store=store) as tree:
        assert len(missing(matrix(ablation), tree)) == 4
    told = Told()
    tracked_ablation(ablation, store, [told])
    assert (told.trained, told.count(RunFinished)) == (0, 4)
    after = find_runs(store, ["images"])
    assert before.isdisjoint(run.run_id for run in after.runs)
    assert len({run.tags["test_manifest"] for run in after.runs}) == 1


def first_weights(*weights):
    """The first trials are of these weights."""

    def change(job):
        for weight in weights:
            job.points.study.enqueue_trial({WEIGHT: weight})

    return change


def test_a_point_that_a_study_meets_twice_counts_for_both_trials(store, experiment, new_storage, tmp_path):
    sweep = SweepConfig(experiment.name, experiment, {WEIGHT: FloatRange(0.01, 1.0)}, 2, pruner="none")
    told, url = Told(), new_storage(tmp_path / "optuna.db")
    points, _ = tracked_study(sweep, url, store, [told], again=False, change=first_weights(0.5, 0.5))
    assert (told.trained, told.count(TakenOver)) == (1, 1)
    assert len({trial.value for trial in points.all()}) == 1
    assert [run.variant for run in find_runs(store, [experiment.name]).runs] == ["trial-000", "trial-001"]


def test_a_study_that_begins_anew_under_its_old_name_is_not_mixed_with_the_old_one(
    store, experiment, new_storage, tmp_path
):
    sweep = SweepConfig(experiment.name, experiment, {WEIGHT: FloatRange(0.01, 1.0)}, 1, pruner="none")
    for weight in (0.4, 0.5):
        url = new_storage(tmp_path / f"{weight}.db")
        tracked_study(sweep, url, store, again=False, change=first_weights(weight))
    (run,) = find_runs(store, [sweep.name]).runs
    assert run.tags["variant"] == sweep.experiment.name
    assert store.client.get_run(run.run_id).data.params[WEIGHT] == "0.5"


def test_images_that_are_added_while_a_run_trains_are_no_part_of_it(store, experiment):
    good = Path(experiment.data.root) / "bolt" / "train" / "good"

    def add_an_image(event):
        if isinstance(event, BatchFinished):
            shutil.copy(min(good.iterdir()), good / "added.png")

    before = grid(experiment)[0].identity.training
    tracked_training(store, experiment, [add_an_image], again=False)
    (run,) = runs(store, experiment)
    assert run.data.tags["key_training"] == before
    _, told = go(store, experiment)
    assert told.trained == 1


def test_a_finished_run_with_dead_terms_is_not_taken_over_where_that_is_strict(store, experiment):
    released = experiment.with_overrides({"projection": True, "losses.ssot": {"pairing": "batch"}})
    go(store, released)
    with pytest.raises(
        ConfigError, match=r"no gradient beyond rounding in the finished run .*: losses.ssot \(strict\)"
    ):
        go(store, released.with_overrides({"strict": True}))


def test_evaluating_a_parent_takes_its_finished_runs_alone(store, experiment):
    def stop(event):
        if isinstance(event, BatchFinished):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tracked_training(store, experiment, [stop], again=False)
    (parent,) = store.search(f"tags.variant = '{experiment.name}' and tags.level = 'training'")
    with pytest.raises(ConfigError, match="no finished run below"):
        evaluate_source(parent.info.run_id, store.uri, None, {"device": "cpu"})
    go(store, experiment)
    assert len(evaluate_source(parent.info.run_id, store.uri, None, {"device": "cpu"})) == 1


def test_a_run_that_goes_on_has_no_tags_of_its_earlier_end(store):
    run_id = store.start_run("goes on", tags={"level": "odd"}, node="goes on")
    store.end_run(run_id, "FAILED", {"error": "the power failed"})
    assert store.start_run("goes on", tags={"level": "odd"}, node="goes on") == run_id
    run = store.client.get_run(run_id)
    assert (run.info.status, "error" in run.data.tags) == ("RUNNING", False)
