"""Trials that are given up within a run."""

import dataclasses
from types import SimpleNamespace

import optuna
import pytest
from tracked import PLAIN, WEIGHT, tracked_study

from rdpp.engine import BatchFinished, EpochFinished, RunSpec, RunStarted, evaluation
from rdpp.metrics import METRICS
from rdpp.runs import TakenOver, WorkFolder
from rdpp.sweep import SweepConfig
from rdpp.sweep.config import SamplerConfig
from rdpp.sweep.gates import Gate
from rdpp.sweep.halving import GateObserver, HalvingConfig, Pruned
from rdpp.sweep.judge import spent_steps
from rdpp.sweep.report import table
from rdpp.sweep.space import FloatRange
from rdpp.sweep.study import chosen_pruner, open_study
from rdpp.tracking.store.mlflow_store import Store

PER_EPOCH = 2  # batches of the tiny experiment


@pytest.fixture
def sweep(tiny, request):
    changes = {"data.categories": ["weave", "bolt"], **PLAIN, "training.epochs": 2, "keep": "none"}
    return SweepConfig(
        request.node.name,
        tiny.with_overrides({**changes, WEIGHT: 0.5}),
        {WEIGHT: FloatRange(0.01, 1.0)},
        3,
        objective=("image_auroc",),
        sampler=SamplerConfig("random"),
        pruner="halving",
        halving=HalvingConfig(min_resource=1, reduction_factor=2),
    )


@pytest.fixture
def smaller_is_better(monkeypatch):
    """An observer. The image AUROC of every epoch is the weight below 1, whatever was trained."""
    now, compute = {}, evaluation.compute_metrics

    def remember(event):
        if isinstance(event, RunStarted):
            now["value"] = 1 - event.spec.experiment.terms["distillation"].weight

    monkeypatch.setattr(evaluation, "compute_metrics", lambda *given: {**compute(*given), "image_auroc": now["value"]})
    return remember


def weights(*values):
    """Trials of these weights are to come."""

    def change(job):
        if not job.points.all():
            for value in values:
                job.points.study.enqueue_trial({WEIGHT: value})

    return change


def test_a_bad_trial_is_given_up_within_a_run_and_a_good_one_is_not(sweep, smaller_is_better, storage, store_uri):
    store = Store(store_uri)
    points, run_id = tracked_study(sweep, storage, store, [smaller_is_better], change=weights(0.5, 0.9, 0.1))
    trials = points.all()
    assert [t.state.name for t in trials] == ["COMPLETE", "PRUNED", "COMPLETE"]
    assert [t.user_attrs["steps"] for t in trials] == [4 * PER_EPOCH, PER_EPOCH, 4 * PER_EPOCH]
    assert [list(t.intermediate_values) for t in trials] == [[1, 2], [1], [1, 2]]  # at the rungs alone
    assert points.study.best_trial.number == 2
    of_trials = store.search(f"tags.`mlflow.parentRunId` = '{run_id}'")
    runs = {run.info.run_name: run for run in of_trials}
    leaves = {name: store.search(f"tags.`mlflow.parentRunId` = '{run.info.run_id}'") for name, run in runs.items()}
    (leaf,) = leaves["trial 1"]
    assert (leaf.info.status, leaf.data.tags["state"]) == ("KILLED", "pruned")
    assert "error" not in leaf.data.tags
    assert leaf.data.metrics["loss/total"] > 0
    assert (runs["trial 1"].info.status, runs["trial 1"].data.tags["state"]) == ("FINISHED", "pruned")
    assert runs["trial 1"].data.metrics["steps"] == PER_EPOCH
    assert {leaf.info.status for leaf in leaves["trial 2"]} == {"FINISHED"}
    assert store.client.get_run(run_id).data.metrics["steps"] == spent_steps(trials) == 9 * PER_EPOCH
    assert list(table(sweep, points.study).columns[-1].cells)[-1] == "pruned in run 1"
    again, _ = tracked_study(sweep, storage, store)
    assert len(again.all()) == 3  # a pruned trial is not tried again


@pytest.mark.slow
def test_a_study_that_was_interrupted_prunes_as_it_would_have(sweep, smaller_is_better, storage, store_uri):
    """The trial that was interrupted had passed a rung: it goes on, and does not meet itself there."""
    store, name = Store(store_uri), sweep.name
    experiment = sweep.experiment.with_overrides({"data.categories": ["bolt"]})
    sweep = dataclasses.replace(sweep, experiment=experiment, trials=4)
    to_come = weights(0.5, 0.14, 0.93, 0.39)
    whole, _ = tracked_study(
        dataclasses.replace(sweep, name=f"{name} whole"), storage, store, [smaller_is_better], change=to_come
    )
    parts = dataclasses.replace(sweep, name=f"{name} parts")
    runs = []

    def interrupt(event) -> None:
        runs.append(event) if isinstance(event, RunStarted) else None
        if isinstance(event, BatchFinished) and event.batch == PER_EPOCH + 1 and len(runs) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tracked_study(parts, storage, store, [smaller_is_better, interrupt], change=to_come)
    points, _ = tracked_study(parts, storage, store, [smaller_is_better])
    found = [[(t.params[WEIGHT], t.state, t.value, t.intermediate_values) for t in p.all()] for p in (whole, points)]
    assert found[0] == found[1]
    assert [state.name for _, state, _, _ in found[0]] == ["COMPLETE", "COMPLETE", "PRUNED", "COMPLETE"]
    assert spent_steps(points.all()) == spent_steps(whole.all())


class Gates:
    """Keeps what is asked at the gates after these evaluations of a run; does not let through at one of them."""

    def __init__(self, *evaluations, closed=None):
        gates = [(place, Gate(0, number, False, number)) for place, number in enumerate(evaluations)]
        self.observer = GateObserver(gates, float, self.pass_gate)  # type: ignore[arg-type]
        self.asked, self.closed = [], closed

    def pass_gate(self, place, value, batches):
        self.asked.append((place, value, batches))
        return place != self.closed


def play(observer, experiment, *run):
    """A run, as (value, chosen) of each epoch; two batches each."""
    spec = RunSpec.of(experiment.with_overrides({"training.epochs": 9}), "bolt", 1)
    nothing = dict.fromkeys(("steps", "train", "held_out", "watched"))
    observer(RunStarted(spec=spec, epochs=9, **nothing))
    rates = dict.fromkeys(("seconds_per_batch", "images_per_second", "peak_memory_mb", "network"))
    for number, (value, chosen) in enumerate(run, 1):
        result = None if value is None else SimpleNamespace(metrics=value)
        told = {"epoch": number, "batch": 2 * number, "chosen": chosen, "last": number == len(run)}
        observer(EpochFinished(evaluation=result, **told, **rates))


def test_at_a_gate_the_best_epoch_so_far_counts(held_out):
    gates = Gates(1, 3, 4)
    play(gates.observer, held_out, (0.2, True), (0.4, True), (0.3, False), (0.5, True), (0.9, True))
    assert gates.asked == [(0, 0.2, 2), (1, 0.4, 6), (2, 0.5, 8)]


def test_gates_count_evaluations_not_epochs(held_out):
    gates = Gates(2)
    play(gates.observer, held_out, (None, False), (0.2, True), (None, False), (0.3, True), (None, False), (0.4, True))
    assert gates.asked == [(0, 0.3, 8)]


def test_with_selection_last_the_latest_evaluation_counts(tiny):
    gates = Gates(1, 2)
    play(gates.observer, tiny, (0.4, False), (0.3, False), (0.2, True))
    assert gates.asked == [(0, 0.4, 2), (1, 0.3, 4)]


def test_a_run_that_is_over_is_not_given_up_any_more(held_out):
    """It stopped early, at a gate or before one: whoever settles it asks."""
    gates = Gates(1, 3, 5)
    play(gates.observer, held_out, (0.2, True), (0.4, True), (0.3, False))
    assert gates.asked == [(0, 0.2, 2)]


def test_a_closed_gate_ends_the_run(held_out):
    gates = Gates(1, 2, closed=1)
    with pytest.raises(Pruned, match="given up after 2 evaluations"):
        play(gates.observer, held_out, (0.2, True), (0.4, True), (0.5, True))
    assert gates.asked == [(0, 0.2, 2), (1, 0.4, 4)]


def test_a_run_that_was_finished_before_passes_its_gates_as_it_would_have(held_out):
    metrics = [dict.fromkeys(METRICS, value) for value in (0.2, 0.4, 0.3, 0.5)]
    gates = Gates(2, 3, 4)
    gates.observer.value = lambda found: found["image_auroc"]
    spec = RunSpec.of(held_out, "bolt", 1)
    finished = SimpleNamespace(steps=16, epochs=8)
    event = TakenOver(spec=spec, finished=finished, evaluations=lambda: list(zip((2, 4, 6, 8), metrics, strict=True)))
    gates.observer(event)
    assert gates.asked == [(0, 0.4, 8), (1, 0.4, 12)]


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


def test_a_study_keeps_the_pruner_that_it_was_started_with(sweep, storage, tmp_path):
    experiment = sweep.experiment.with_overrides({"data.categories": ["bolt"], "training.epochs": 1})
    sweep = dataclasses.replace(sweep, experiment=experiment, pruner="auto", trials=1)
    work = WorkFolder(tmp_path / "work")
    open_study(sweep, storage, work)
    more = dataclasses.replace(sweep, trials=12)
    points = open_study(more, storage, work)
    assert chosen_pruner(more, points.study) == ("median", "the study was started with it")
    assert isinstance(points.study.pruner, optuna.pruners.MedianPruner)


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
