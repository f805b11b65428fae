"""What follows from each run's end: without training, on a tree that keeps what it is told."""

import dataclasses
import math

import pytest
from optuna.storages import RDBStorage
from optuna.trial import TrialState
from tracked import PLAIN, WEIGHT, Quiet

from rdpp.config import ConfigError
from rdpp.engine import EpochFinished
from rdpp.runs import Failure, Node, Outcome, WorkFolder, run_lock
from rdpp.sweep import SweepConfig
from rdpp.sweep.attributes import FAILURE, OPENED, PASSED, STEPS
from rdpp.sweep.command import _progress
from rdpp.sweep.config import SamplerConfig
from rdpp.sweep.findings import findings
from rdpp.sweep.halving import GateObserver, HalvingConfig, Pruned
from rdpp.sweep.job import StudyJob
from rdpp.sweep.judge import spent_steps
from rdpp.sweep.report import as_json, table
from rdpp.sweep.space import FloatRange
from rdpp.sweep.study import open_study, remaining_trials, run_study

DIVERGED = Failure("diverged", "the loss is not finite")
BROKEN = Failure("error", "RuntimeError: CUDA error")


class Tree:
    """Keeps what is opened, closed and abandoned."""

    def __init__(self, folder):
        self.work = self.locks = WorkFolder(folder)
        self.opened, self.closed, self.metrics, self.tags, self.abandoned, self.forgotten = [], [], {}, {}, [], []
        self.points = []
        self.shared = -1
        """How many nodes were closed when all was last written."""

    def share(self):
        self.shared = len(self.closed)

    def hold(self, training):
        return self.work.lock_if_free(run_lock(training))

    def node(self, level, key, parent):
        return Node(f"{level} {key}")

    def open(self, name, *, level, key, parent, tags):
        self.opened.append(name)
        return self.node(level, key, parent)

    def close(self, node, error=None):
        self.closed.append((node.id, error))

    def log_metrics(self, node, metrics, step=0):
        self.metrics.setdefault(node.id, {}).update(metrics)
        self.points += [(node.id, name, step) for name in metrics]

    def set_tags(self, node, tags):
        self.tags.setdefault(node.id, {}).update(tags)

    def log_params(self, node, params):
        pass

    def log_json(self, node, path, data):
        pass

    log_text = log_json

    def forget(self, node):
        self.forgotten.append(node.id)

    def abandon(self, training, error):
        self.abandoned.append((training, error))


@pytest.fixture
def sweep(tiny, request):
    """Trials of four runs: two categories with two seeds."""
    changes = {"data.categories": ["weave", "bolt"], "seeds": [1, 2], **PLAIN, WEIGHT: 0.5}
    space = {WEIGHT: FloatRange(0.01, 1.0)}
    return SweepConfig(
        request.node.name,
        tiny.with_overrides(changes),
        space,
        2,
        objective=("image_auroc", "pixel_auroc"),
        sampler=SamplerConfig("random"),
        pruner="none",
    )


@pytest.fixture(scope="module")
def backend(storage):
    return RDBStorage(storage)


@pytest.fixture
def worker(storage, backend, tmp_path, monkeypatch):
    """Another process at the study of a sweep. All share one connection: to open one takes as long as a few trials."""
    monkeypatch.setattr("rdpp.sweep.study.RDBStorage", lambda *_, **__: backend)

    def join(sweep, tree=None):
        tree = tree or Tree(tmp_path / "work")
        points = open_study(sweep, storage, tree.work)
        pruner = points.study.user_attrs["pruner"]
        return StudyJob(sweep, points, tree, Node("study"), pruner, sweep.experiment, Quiet())

    return join


def outcome(plan, value, *, test=0.1, steps=3):
    deciding, metrics = (dict.fromkeys(("image_auroc", "pixel_auroc"), of) for of in (value, test))
    return Outcome(spec=plan.spec, run_id=None, epoch=1, metrics=metrics, deciding=deciding, steps=steps)


def names(job):
    return [f"{plan.ticket[0].number} {plan.spec.name}" for plan in job.ready()]


def settle(job, *ended):
    """Settle the runs that are ready, as far as there are results: values, or failures."""
    for result in ended:
        plan = next(iter(job.ready()))
        job.settle(plan, result if isinstance(result, Failure) else outcome(plan, result))


def states(job):
    return [trial.state.name for trial in job.points.all()]


def test_all_runs_of_a_trial_may_go_at_once_and_the_first_is_the_base_experiment(sweep, worker):
    job = worker(sweep)
    assert list(job.ready()) == []
    assert job.open_more()
    assert names(job) == ["0 weave-seed1", "0 bolt-seed1", "0 weave-seed2", "0 bolt-seed2"]
    assert job.points.get(0).params == {WEIGHT: 0.5}
    assert {plan.spec.experiment.terms["distillation"].weight for plan in job.ready()} == {0.5}
    job.open_more()
    assert len(names(job)) == 8
    assert job.points.get(1).params[WEIGHT] != 0.5


def test_the_objective_is_the_mean_over_runs_and_metrics_that_choices_look_at(sweep, worker):
    job = worker(sweep)
    job.open_more()
    plan = next(iter(job.ready()))
    deciding = {"image_auroc": 0.2, "pixel_auroc": 0.4, "pixel_aupro": math.nan}
    job.settle(plan, dataclasses.replace(outcome(plan, 0.0), deciding=deciding))
    settle(job, 0.5, 0.6, 0.7)
    trial = job.points.get(0)
    assert trial.state == TrialState.COMPLETE
    assert trial.value == pytest.approx((0.3 + 0.5 + 0.6 + 0.7) / 4)
    assert trial.user_attrs[STEPS] == 12
    told = job.tree.metrics["trial 0"]
    assert told["objective"] == trial.value
    assert told["test/image_auroc/category/bolt"] == pytest.approx(0.1)  # on the test images
    assert job.tree.tags["trial 0"]["state"] == "complete"
    assert job.tree.closed == [("trial 0", None)]


def test_the_number_of_trials_is_exact_however_many_work(sweep, worker):
    one, two = worker(sweep), worker(sweep)
    assert [one.open_more(), two.open_more(), one.open_more(), two.open_more()] == [True, True, False, False]
    assert remaining_trials(sweep, one.points) == 2
    assert names(one) == names(two)
    for job in (one, two) * 4:
        assert not job.done()
        settle(job, 0.5)
    assert one.done()
    assert two.done()
    assert states(two) == ["COMPLETE", "COMPLETE"]
    assert remaining_trials(sweep, one.points) == 0


def test_more_trials_go_on_with_the_same_study(sweep, worker):
    job = worker(dataclasses.replace(sweep, trials=1))
    job.open_more()
    settle(job, 0.1, 0.2, 0.3, 0.4)
    assert job.done()
    job = worker(sweep)
    assert not job.done()
    assert [job.open_more(), job.open_more()] == [True, False]
    assert [trial.number for trial in job.points.all()] == [0, 1]


def test_a_trial_whose_process_died_goes_on_with_the_runs_that_are_left(sweep, worker):
    """Nothing is noted of a death: whoever comes next finds the trial in work."""
    job = worker(sweep)
    job.open_more()
    settle(job, 0.1, 0.2)
    job = worker(sweep)
    assert names(job) == ["0 weave-seed2", "0 bolt-seed2"]
    settle(job, 0.3, 0.4)
    assert states(job) == ["COMPLETE"]
    assert job.points.get(0).value == pytest.approx(0.25)


def test_a_trial_counts_as_opened_once_other_machines_find_its_run(sweep, worker, monkeypatch):
    job, seen = worker(sweep), []
    monkeypatch.setattr(
        job.tree, "share", lambda: seen.append((*job.tree.opened, OPENED in job.points.get(0).user_attrs))
    )
    job.open_more()
    assert seen == [("trial 0", False)]
    assert OPENED in job.points.get(0).user_attrs


def test_a_process_that_died_before_it_told_a_trial_is_made_up_for(sweep, worker, monkeypatch):
    job = worker(sweep)
    job.open_more()
    settle(job, 0.1, 0.2, 0.3)

    def die(*arguments, **named):
        raise KeyboardInterrupt

    monkeypatch.setattr(job.points, "tell", die)
    with pytest.raises(KeyboardInterrupt):
        settle(job, 0.4)
    job = worker(sweep)
    assert (states(job), job.done()) == (["RUNNING"], False)
    assert names(job) == []
    assert states(job) == ["COMPLETE"]
    assert job.points.get(0).value == pytest.approx(0.25)


def test_a_metric_has_one_value_a_step(sweep, worker):
    job = worker(sweep)
    job.open_more()
    settle(job, 0.1, 0.2, 0.3, 0.4)
    assert [step for _, name, step in job.tree.points if name == "running_mean/objective"] == [0, 1, 2, 3]
    assert len(set(job.tree.points)) == len(job.tree.points)


def test_what_is_settled_twice_or_too_late_is_not_wanted(sweep, worker):
    job = worker(sweep)
    job.open_more()
    first, second, *_ = job.ready()
    assert job.wants(first)
    job.settle(first, outcome(first, 0.5))
    assert (job.wants(first), job.wants(second)) == (False, True)
    job.settle(second, DIVERGED)
    assert states(job) == ["FAIL"]
    third = dataclasses.replace(first, ticket=(first.ticket[0], 2))
    assert not job.wants(third)
    job.settle(first, outcome(first, 0.9))  # nothing is kept of a trial that has ended
    assert job.points.get(0).user_attrs["run/1/weave"]["metrics"]["image_auroc"] == 0.5


def test_a_failed_run_is_the_trials_result(sweep, worker):
    job = worker(sweep)
    job.open_more()
    settle(job, 0.5, DIVERGED)
    trial = job.points.get(0)
    assert (trial.state, trial.value, trial.user_attrs[FAILURE]) == (TrialState.FAIL, None, DIVERGED.reason)
    assert job.tree.tags["trial 0"] == {"state": "failed", "runs": 1, "failure": DIVERGED.reason}
    assert list(table(sweep, job.points.study).columns[-1].cells) == ["failed in run 2"]
    data = as_json(sweep, job.points.study, findings(sweep, job.points.study), "run", None)
    assert data["trials"][0]["failure"] == DIVERGED.reason
    assert names(job) == []
    assert [job.open_more(), job.open_more()] == [True, False]  # it is not tried again


def test_a_run_that_may_succeed_another_time_is_tried_twice(sweep, worker):
    job = worker(sweep)
    job.open_more()
    settle(job, BROKEN)
    assert names(job)[0] == "0 weave-seed1"
    settle(job, 0.5)
    assert names(job)[0] == "0 bolt-seed1"
    settle(job, BROKEN, BROKEN)
    assert states(job) == ["FAIL"]


def test_without_its_failed_runs_where_that_is_allowed(sweep, worker):
    job = worker(dataclasses.replace(sweep, allow_failed_runs=True, trials=3))
    job.open_more()
    settle(job, 0.5, DIVERGED, 0.6, 0.7)
    trial = job.points.get(0)
    assert trial.state == TrialState.COMPLETE
    assert trial.value == pytest.approx(0.6)
    job.open_more()
    settle(job, *[DIVERGED] * 4)  # nothing is left to take the mean of
    assert states(job) == ["COMPLETE", "FAIL"]


@pytest.mark.parametrize("pruner", ["halving", "median"])
def test_a_trial_is_not_given_up_for_a_run_that_failed(sweep, worker, pruner):
    """Nothing can be judged where every run so far has failed."""
    sweep = dataclasses.replace(sweep, allow_failed_runs=True, trials=6, pruner=pruner)
    job = worker(dataclasses.replace(sweep, halving=HalvingConfig(min_resource=1, reduction_factor=2)))
    for value in (0.5, 0.6, 0.7, 0.8, 0.9):
        job.open_more()
        settle(job, DIVERGED, *[value] * 3)
    assert states(job) == ["COMPLETE"] * 5


def test_an_objective_that_turns_out_undefined_is_a_failure(sweep, worker):
    job = worker(sweep)
    with pytest.raises(ConfigError, match=r"objective pixel_auroc is undefined \(NaN\)"):
        job.value({"image_auroc": 0.5, "pixel_auroc": math.nan})
    job.open_more()
    settle(job, math.nan)
    assert states(job) == ["FAIL"]
    assert "the objective image_auroc, pixel_auroc is undefined" in job.points.get(0).user_attrs[FAILURE]


def test_five_failures_of_one_kind_in_a_row_end_the_study(sweep, worker):
    job = worker(dataclasses.replace(sweep, trials=20))
    other = Failure("input", "no such image")

    def trial(*ended):
        job.open_more()
        settle(job, *ended)

    for ended in ([DIVERGED], [other], *[[DIVERGED]] * 4, [0.1, 0.2, 0.3, 0.4], *[[DIVERGED]] * 4):
        trial(*ended)
    with pytest.raises(ConfigError, match=r"the last 5 trials of '\S+' failed \(the loss is not finite\); narrow the"):
        trial(DIVERGED)
    assert states(job)[-5:] == ["FAIL"] * 5


def test_no_trial_begins_once_the_budget_is_spent(sweep, worker):
    sweep = dataclasses.replace(sweep, trials=None, budget=13)
    job = worker(sweep)
    for spent in (12, 24):
        assert job.open_more()
        settle(job, 0.1, 0.2, 0.3, 0.4)
        assert spent_steps(job.points.all()) == spent
        assert job.tree.metrics["study"]["steps"] == spent
    assert not job.open_more()
    assert job.done()
    assert _progress(sweep, job.points) == "2 trials done, 24 of 13 steps spent"
    assert not worker(dataclasses.replace(sweep, budget=25)).done()
    assert worker(dataclasses.replace(sweep, trials=2, budget=25)).done()


def test_failed_trials_spend_the_budget_too(sweep, worker):
    job = worker(dataclasses.replace(sweep, trials=None, budget=13))
    job.open_more()
    settle(job, 0.1, DIVERGED)
    assert states(job) == ["FAIL"]
    assert spent_steps(job.points.all()) == 3


def climbing(sweep, **halving):
    """Trials of four evaluations in two runs, with gates after the first and the second."""
    experiment = sweep.experiment.with_overrides({"seeds": [1], "training.epochs": 2, "evaluation.every": 1})
    config = HalvingConfig(**{"min_resource": 1, "reduction_factor": 2, **halving})
    return dataclasses.replace(sweep, experiment=experiment, pruner="halving", halving=config, trials=3)


def gates_of(plan):
    return next(observer for observer in plan.observers if isinstance(observer, GateObserver))


def test_a_gate_within_a_run_is_asked_there_and_one_at_its_end_when_it_is_settled(sweep, worker):
    job = worker(climbing(sweep))
    job.open_more()
    assert names(job) == ["0 weave-seed1"]  # the other one waits behind the gates
    (plan,) = job.ready()
    assert gates_of(plan).pass_gate(0, 0.4, 2)
    assert gates_of(plan).pass_gate(0, 0.1, 2)  # told already, before the run was interrupted
    assert job.points.get(0).user_attrs[PASSED] == 1
    assert job.points.get(0).intermediate_values == {1: 0.4}
    settle(job, 0.5)
    assert job.points.get(0).intermediate_values == {1: 0.4, 2: 0.5}
    assert names(job) == ["0 bolt-seed1"]
    settle(job, 0.7)
    assert job.points.get(0).intermediate_values == {1: 0.4, 2: 0.5}  # nothing is asked at the end
    assert job.points.get(0).value == pytest.approx(0.6)


def test_a_trial_below_the_others_is_pruned_at_a_gate(sweep, worker):
    job = worker(climbing(sweep))
    job.open_more()
    gates_of(next(iter(job.ready()))).pass_gate(0, 0.5, 2)
    settle(job, 0.6, 0.6)
    job.open_more()
    (plan,) = job.ready()
    assert not gates_of(plan).pass_gate(0, 0.4, 2)
    job.give_up(plan)
    trial = job.points.get(1)
    assert (trial.state, trial.user_attrs[STEPS], trial.intermediate_values) == (TrialState.PRUNED, 2, {1: 0.4})
    assert job.tree.tags["trial 1"]["state"] == "pruned"
    assert not gates_of(plan).pass_gate(0, 0.9, 2)  # it has ended
    job.open_more()
    (plan,) = job.ready()
    gates_of(plan).pass_gate(0, 0.55, 2)
    settle(job, 0.55)  # at the run's end it is below the first trial
    assert states(job) == ["COMPLETE", "PRUNED", "PRUNED"]
    assert job.points.get(2).user_attrs[STEPS] == 3
    assert job.done()


def test_a_run_that_stops_early_reaches_its_gates_at_its_end(sweep, worker):
    job = worker(climbing(sweep))
    for value in (0.5, 0.4):
        job.open_more()
        settle(job, value, *([value] if value == 0.5 else []))
    assert states(job) == ["COMPLETE", "PRUNED"]
    assert job.points.get(1).intermediate_values == {1: 0.4}
    assert list(table(sweep, job.points.study).columns[-1].cells)[-1] == "pruned after 1 of 4 runs"


def test_a_trial_whose_last_run_stops_early_is_whole(sweep, worker):
    """Nothing would be saved by pruning it."""
    experiment = sweep.experiment.with_overrides({"data.categories": ["bolt"]})
    job = worker(climbing(dataclasses.replace(sweep, experiment=experiment)))
    for value in (0.5, 0.4):
        job.open_more()
        settle(job, value)
    assert states(job) == ["COMPLETE", "COMPLETE"]
    assert job.points.get(1).intermediate_values == {1: 0.4}


def test_the_wilcoxon_pruner_is_told_each_run_by_itself(sweep, worker):
    job = worker(dataclasses.replace(sweep, pruner="wilcoxon"))
    job.open_more()
    settle(job, 0.1, 0.2, 0.3, 0.4)
    assert job.points.get(0).intermediate_values == {0: 0.1, 1: 0.2, 2: 0.3, 3: 0.4}
    assert states(job) == ["COMPLETE"]


def test_the_median_pruner_is_asked_between_runs(sweep, worker):
    job = worker(dataclasses.replace(sweep, pruner="median", trials=9))
    for value in (0.5, 0.6, 0.7):
        job.open_more()
        assert len(names(job)) == 1
        settle(job, *[value] * 4)
    job.open_more()
    settle(job, 0.1)
    assert states(job) == [*["COMPLETE"] * 3, "PRUNED"]


def test_a_run_whose_trial_has_ended_meanwhile_is_given_up(sweep, worker):
    one, two = worker(sweep), worker(sweep)
    one.open_more()
    plan = list(one.ready())[1]
    rates = dict.fromkeys(("seconds_per_batch", "images_per_second", "peak_memory_mb", "network", "evaluation"))
    event = EpochFinished(epoch=1, batch=2, chosen=False, last=False, **rates)

    def tell():
        for observer in plan.observers:
            observer(event)

    tell()
    settle(two, DIVERGED)
    with pytest.raises(Pruned, match="trial 0 has ended"):
        tell()


def test_trials_in_work_are_closed_when_the_work_is_interrupted_and_opened_again(sweep, worker):
    job = worker(sweep)

    def stop():
        job.open_more()
        settle(job, 0.1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_study(job, stop)
    assert [node for node, _ in job.tree.closed] == ["trial 0", "study"]
    assert all(isinstance(error, KeyboardInterrupt) for _, error in job.tree.closed)
    job.tree.closed.clear()

    def go_on():
        assert job.tree.opened == ["trial 0", "trial 0"]
        settle(job, 0.2, 0.3, 0.4)
        job.open_more()
        settle(job, DIVERGED)

    run_study(job, go_on)
    assert job.tree.closed == [("trial 0", None), ("trial 1", None), ("study", None)]
    assert job.tree.metrics["study"]["best_trial"] == 0


def test_what_an_ended_trial_left_of_its_runs_is_abandoned_unless_it_is_in_work(sweep, worker):
    job = worker(sweep)
    job.open_more()
    plans = list(job.ready())
    settle(job, 0.5, DIVERGED)
    left = [plan.spec.identity.training for plan in plans[2:]]
    other = WorkFolder(job.tree.work.root)
    with other.lock(run_lock(left[0])):
        job.abandon_left()
    assert [training for training, _ in job.tree.abandoned] == left[1:]


def trial_of(job, *ended):
    """One more trial; the trials whose runs are not kept any more."""
    job.open_more()
    settle(job, *(4 * ended if len(ended) == 1 and isinstance(ended[0], float) else ended))
    told, job.tree.forgotten = job.tree.forgotten, []
    return told


@pytest.mark.parametrize(
    ("keep", "forgotten"),
    [
        ("best 1", [[], ["trial 0"], ["trial 2"], ["trial 3"], ["trial 4"], ["trial 1"]]),
        ("best 2", [[], [], ["trial 0"], ["trial 3"], ["trial 4"], ["trial 2"]]),
        ("none", [["trial 0"], ["trial 1"], ["trial 2"], ["trial 3"], ["trial 4"], ["trial 5"]]),
        ("all", [[], [], [], [], [], []]),
    ],
)
def test_checkpoints_are_kept_of_the_best_trials(sweep, worker, keep, forgotten):
    """Of equal ones the earlier is kept; a trial that failed keeps nothing."""
    job = worker(dataclasses.replace(sweep, keep_runs=keep, trials=6))
    assert [trial_of(job, *ended) for ended in ([0.1], [0.3], [0.2], [0.5, DIVERGED], [0.2], [0.4])] == forgotten


def test_a_trial_that_is_pruned_keeps_no_checkpoints(sweep, worker):
    job = worker(dataclasses.replace(climbing(sweep), keep_runs="best 3"))
    job.points.study.pruner = type("All", (), {"prune": lambda self, study, trial: True})()
    job.open_more()
    settle(job, 0.1)
    assert (states(job), job.tree.forgotten) == (["PRUNED"], ["trial 0"])


def test_what_keep_runs_says_later_holds_for_earlier_trials(sweep, worker):
    job = worker(dataclasses.replace(sweep, keep_runs="all"))
    trial_of(job, 0.1)
    trial_of(job, 0.3)
    job = worker(dataclasses.replace(sweep, keep_runs="best 1"))
    run_study(job, lambda: None)
    assert job.tree.forgotten == ["trial 0"]
    job = worker(dataclasses.replace(sweep, keep_runs="all"))
    run_study(job, lambda: None)
    assert job.tree.forgotten == []


def test_a_study_that_goes_on_forgets_no_trial_once_more(sweep, worker):
    """Else each command would send a record for each trial that the study ever had."""
    keeping = dataclasses.replace(sweep, keep_runs="best 1")
    job = worker(keeping)
    ended = []
    run_study(job, lambda: ended.extend([trial_of(job, 0.1), trial_of(job, 0.3)]))
    assert (ended, job.tree.forgotten) == ([[], ["trial 0"]], [])
    again = worker(keeping)
    run_study(again, lambda: None)
    assert again.tree.forgotten == []
    none = worker(dataclasses.replace(sweep, keep_runs="none"))
    run_study(none, lambda: None)
    assert none.tree.forgotten == ["trial 0", "trial 1"]


def test_a_process_that_died_before_it_told_a_trial_forgets_the_same(sweep, worker, monkeypatch):
    job = worker(dataclasses.replace(sweep, keep_runs="best 1"))
    trial_of(job, 0.1)
    job.open_more()
    settle(job, 0.2, 0.2, 0.2)

    def die(*arguments, **named):
        raise KeyboardInterrupt

    monkeypatch.setattr(job.points, "tell", die)
    with pytest.raises(KeyboardInterrupt):
        settle(job, 0.2)
    assert job.tree.forgotten == ["trial 0"]
    job = worker(dataclasses.replace(sweep, keep_runs="best 1"))
    assert names(job) == []
    assert job.tree.forgotten == ["trial 0"]


def test_who_finds_a_trial_told_finds_it_in_the_store(sweep, worker, monkeypatch):
    """A machine that is lost takes with it what it has not written."""
    job = worker(sweep)
    job.open_more()
    shared = []
    tell = job.points.tell
    monkeypatch.setattr(job.points, "tell", lambda *told: (shared.append(job.tree.shared), tell(*told)))
    settle(job, 0.1, 0.2, 0.3, 0.4)
    assert shared == [1]
