"""Trials that are given up within a run, and studies that end with their budget."""

import dataclasses
from types import SimpleNamespace

import optuna
import pytest
from optuna.trial import TrialState
from tracked import TWO_LOSSES, tracked_study

from rdpp.engine import BatchFinished, EpochFinished, RunSpec, RunStarted
from rdpp.sweep import SweepConfig
from rdpp.sweep.command import _progress
from rdpp.sweep.config import SamplerConfig
from rdpp.sweep.halving import HalvingConfig, Pruned, PruningObserver
from rdpp.sweep.objective import Objective
from rdpp.sweep.report import table
from rdpp.sweep.space import FloatRange
from rdpp.sweep.study import chosen_pruner, is_done, open_study, spent_steps
from rdpp.tracking.store import Store

WEIGHT = "losses.ssot.weight"
PER_EPOCH = 2  # batches of the tiny experiment


@pytest.fixture
def sweep(tiny, request):
    changes = {"data.categories": ["weave", "bolt"], "training.epochs": 2, "heatmaps": 0, **TWO_LOSSES, "keep": "none"}
    return SweepConfig(
        request.node.name,
        tiny.with_overrides({**changes, WEIGHT: 0.5}),
        {WEIGHT: FloatRange(0.01, 1.0)},
        3,
        sampler=SamplerConfig("random"),
        pruner="halving",
        halving=HalvingConfig(min_resource=1, reduction_factor=2),
    )


@pytest.fixture
def smaller_is_better(monkeypatch):
    """A trial's value is its ssot weight below 1, whatever it trained."""
    now = {}
    suggest = FloatRange.suggest

    def remember(self, trial, path):
        now["weight"] = suggest(self, trial, path)
        return now["weight"]

    monkeypatch.setattr(FloatRange, "suggest", remember)
    monkeypatch.setattr(Objective, "value", lambda self, metrics: 1 - now["weight"])


def begun(sweep, storage, *weights):
    """The sweep's study with trials of these weights to come."""
    study = open_study(sweep, f"sqlite:///{storage}")
    for weight in weights:
        study.enqueue_trial({WEIGHT: weight})
    return study


def leaves(store, trial):
    return store.search(f"tags.`mlflow.parentRunId` = '{trial.user_attrs['mlflow_run_id']}'")


def test_a_bad_trial_is_given_up_within_a_run_and_a_good_one_is_not(sweep, smaller_is_better, tmp_path, store_uri):
    store = Store(store_uri)
    study = begun(sweep, tmp_path / "optuna.db", 0.5, 0.9, 0.1)
    run_id = tracked_study(sweep, study, store)
    assert [t.state.name for t in study.trials] == ["COMPLETE", "PRUNED", "COMPLETE"]
    assert [t.user_attrs["steps"] for t in study.trials] == [4 * PER_EPOCH, PER_EPOCH, 4 * PER_EPOCH]
    assert list(study.trials[1].intermediate_values) == [1]
    assert list(study.trials[2].intermediate_values) == [1, 2, 3, 4]
    assert study.best_trial.number == 2
    (leaf,) = leaves(store, study.trials[1])
    assert (leaf.info.status, leaf.data.tags["state"]) == ("KILLED", "pruned")
    assert "error" not in leaf.data.tags
    assert leaf.data.metrics["loss/total"] > 0
    trial = store.client.get_run(study.trials[1].user_attrs["mlflow_run_id"])
    assert (trial.info.status, trial.data.tags["state"]) == ("FINISHED", "pruned")
    assert trial.data.metrics["steps"] == PER_EPOCH
    assert {leaf.info.status for leaf in leaves(store, study.trials[2])} == {"FINISHED"}
    assert store.client.get_run(run_id).data.metrics["steps"] == spent_steps(study) == 9 * PER_EPOCH
    assert list(table(sweep, study).columns[-1].cells)[-1] == "pruned in run 1"
    tracked_study(sweep, study, store)
    assert len(study.trials) == 3  # a pruned trial is not tried again


def test_a_study_that_was_interrupted_prunes_as_it_would_have(sweep, smaller_is_better, tmp_path, store_uri):
    """The trial that was interrupted had passed a rung: tried again, it does not meet itself there."""
    store = Store(store_uri)
    experiment = sweep.experiment.with_overrides({"data.categories": ["bolt"]})
    sampler = SamplerConfig("random", 12)  # draws 0.14, which passes the first rung, 0.93, which does not, and 0.39
    sweep = dataclasses.replace(sweep, experiment=experiment, sampler=sampler, trials=4)
    whole = open_study(sweep, f"sqlite:///{tmp_path / 'whole.db'}")
    tracked_study(sweep, whole, store)
    parts = open_study(sweep, f"sqlite:///{tmp_path / 'parts.db'}")

    def interrupt(event) -> None:
        if isinstance(event, BatchFinished) and event.batch == PER_EPOCH + 1 and len(parts.trials) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tracked_study(sweep, parts, store, [interrupt])
    parts = open_study(sweep, f"sqlite:///{tmp_path / 'parts.db'}")
    tracked_study(sweep, parts, store)
    done = [t for t in parts.trials if t.state != TrialState.FAIL]
    assert len(parts.trials) == 5
    found = [[(t.params[WEIGHT], t.state, t.intermediate_values) for t in trials] for trials in (whole.trials, done)]
    assert found[0] == found[1]
    assert [state.name for _, state, _ in found[0]] == ["COMPLETE", "COMPLETE", "PRUNED", "COMPLETE"]
    assert spent_steps(parts) == spent_steps(whole)


def test_no_trial_begins_once_the_budget_is_spent(sweep, tmp_path, store_uri):
    experiment = sweep.experiment.with_overrides({"data.categories": ["bolt"], "training.epochs": 1})
    budget = PER_EPOCH + 1
    sweep = dataclasses.replace(sweep, experiment=experiment, trials=None, budget=budget, pruner="none")
    study = open_study(sweep, f"sqlite:///{tmp_path / 'optuna.db'}")
    assert not is_done(sweep, study)
    tracked_study(sweep, study, Store(store_uri))
    assert len(study.trials) == 2
    assert spent_steps(study) == 2 * PER_EPOCH
    assert is_done(sweep, study)
    assert _progress(sweep, study) == "2 trials done, 4 of 3 steps spent"
    assert not is_done(dataclasses.replace(sweep, budget=5), study)
    assert is_done(dataclasses.replace(sweep, trials=2, budget=5), study)


class Trial:
    """Keeps what is reported; gives up at a step."""

    def __init__(self, gives_up_at=None):
        self.reports, self.gives_up_at = {}, gives_up_at

    def report(self, value, step):
        self.reports[step] = value

    def should_prune(self):
        return max(self.reports) == self.gives_up_at


def play(climb, experiment, *runs, every=1):
    """Runs of five planned epochs, each a list of (value, chosen): those that end early stop."""
    experiment = experiment.with_overrides({"evaluation.every": every, "training.epochs": 5})
    for run in runs:
        spec = RunSpec.of(experiment, "bolt", 1)
        nothing = dict.fromkeys(("steps", "train", "held_out", "watched"))
        climb(RunStarted(spec=spec, epochs=5, **nothing))
        for number, (value, chosen) in enumerate(run, 1):
            climb(BatchFinished(batch=number, losses=None, inspections=None))
            last = number == len(run)
            told = {"epoch": number, "evaluation": SimpleNamespace(metrics=value), "chosen": chosen, "last": last}
            rates = dict.fromkeys(("batch", "seconds_per_batch", "images_per_second", "peak_memory_mb", "network"))
            climb(EpochFinished(**told, **rates))


def test_reports_count_planned_evaluations_and_hold_what_the_runs_come_to(held_out):
    trial = Trial()
    first = [(0.2, True), (0.4, True), (0.3, False)]  # stops early
    play(
        PruningObserver(trial, 2, float),
        held_out,
        first,
        [(0.1, True), (0.0, False), (0.6, True), (0.5, False), (0.5, False)],
    )
    values = {1: 0.2, 2: 0.4, 5: 0.4, 6: 0.25, 7: 0.25, 8: 0.5, 9: 0.5, 10: 0.5}
    assert trial.reports == pytest.approx(values)
    trial = Trial()
    play(PruningObserver(trial, 2, float), held_out, first, [(0.1, True), (0.2, True), (0.3, True)], every=2)
    assert list(trial.reports) == [1, 2, 3, 4, 5, 6]


def test_with_selection_last_the_latest_evaluation_counts(tiny):
    trial = Trial()
    play(PruningObserver(trial, 1, float), tiny, [(0.4, False), (0.3, False), (0.2, True)])
    assert trial.reports == {1: 0.4, 2: 0.3, 5: 0.2}


def test_a_trial_is_given_up_at_a_runs_end_but_not_at_its_own(held_out):
    runs = [[(0.2, True)] * 5] * 2
    with pytest.raises(Pruned, match="given up after 5 evaluations of run 1 of 2") as caught:
        play(PruningObserver(Trial(gives_up_at=5), 2, float), held_out, *runs)
    assert isinstance(caught.value, optuna.TrialPruned)
    play(PruningObserver(Trial(gives_up_at=10), 2, float), held_out, *runs)


@pytest.mark.parametrize(
    ("changes", "instances", "name", "reason"),
    [
        ({"trials": 9}, 6, "halving", "9 trials are enough"),
        ({"trials": 8}, 6, "wilcoxon", "6 instances"),
        ({"trials": None, "budget": 100}, 1, "halving", "a budget in steps"),
        ({"trials": 8}, 5, "median", "5 instances"),
    ],
)
def test_halving_is_chosen_where_there_is_a_choice(sweep, changes, instances, name, reason):
    found = dataclasses.replace(sweep, pruner="auto", **changes).chosen_pruner(instances)
    assert found[0] == name
    assert reason in found[1]


def test_a_study_keeps_the_pruner_that_it_was_started_with(sweep, tmp_path, store_uri):
    experiment = sweep.experiment.with_overrides({"data.categories": ["bolt"], "training.epochs": 1})
    sweep = dataclasses.replace(sweep, experiment=experiment, pruner="auto", trials=1)
    study = open_study(sweep, f"sqlite:///{tmp_path / 'optuna.db'}")
    tracked_study(sweep, study, Store(store_uri))
    more = dataclasses.replace(sweep, trials=12)
    study = open_study(more, f"sqlite:///{tmp_path / 'optuna.db'}")
    assert chosen_pruner(more, study) == ("median", "the study was started with it")


def test_the_definition_of_a_study_holds_its_rungs_and_not_its_length(sweep):
    changed = dataclasses.replace(sweep, halving=HalvingConfig(min_resource=2, reduction_factor=2))
    patient = sweep.experiment.with_overrides({"evaluation": {"selection": "held_out", "patience": 3}})
    assert changed.fingerprint() != sweep.fingerprint()
    assert dataclasses.replace(sweep, experiment=patient).fingerprint() != sweep.fingerprint()
    assert dataclasses.replace(sweep, budget=5).fingerprint() == sweep.fingerprint()


@pytest.mark.parametrize(("evaluations", "first"), [(40, 4), (3, 1), (44, 4), (45, 5)])
def test_the_first_rung_is_at_a_ninth_of_a_trial(evaluations, first):
    study = optuna.create_study(direction="maximize", pruner=HalvingConfig().pruner(evaluations))
    better, worse = study.ask(), study.ask()
    better.report(0.5, first)
    assert not better.should_prune()
    worse.report(0.4, first - 1)
    assert not worse.should_prune()
    worse.report(0.4, first)
    assert worse.should_prune()


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        ("halving", {"min_resource": 0}, "min_resource must be at least 1, got 0"),
        ("halving", {"reduction_factor": 1}, "reduction_factor must be at least 2, got 1"),
        ("sweep", {"trials": None}, "would never end; set trials, or budget"),
        ("sweep", {"budget": 0}, "budget must be at least 1, got 0"),
    ],
)
def test_what_a_study_may_be(sweep, kind, changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(sweep if kind == "sweep" else sweep.halving, **changes)
