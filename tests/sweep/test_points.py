"""Points are drawn once, whatever happens to those who draw them; the number of trials is exact."""

import threading

import numpy as np
import optuna
import pytest
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from optuna.trial import TrialState

import rdpp.runs.patience as patience
from rdpp.config import ConfigError
from rdpp.sweep.config import SamplerConfig
from rdpp.sweep.halving import HalvingConfig
from rdpp.sweep.points import Points
from rdpp.sweep.pruners import SAMPLERS
from rdpp.sweep.space import FloatRange, IntRange

SPACE = {"a": FloatRange(0.1, 1.0), "b": IntRange(1, 9), "c": FloatRange(0.1, 1.0, log=True)}


def points_of(database, name, sampler="random"):
    storage = RDBStorage(f"sqlite:///{database}")
    study = optuna.create_study(storage=storage, study_name=name, direction="maximize", load_if_exists=True)
    return Points(study, storage, SPACE, SamplerConfig(sampler, startup_trials=2))


def finish(points, number):
    value = sum(points.get(number).params.values())
    points.tell(number, TrialState.COMPLETE, value)


def directly(name, sampler):
    """The points of five trials as Optuna draws them itself, with the same seeds."""
    study = optuna.create_study(study_name=name, direction="maximize")
    for number in range(5):
        study.sampler = seeded(sampler, number, "")
        trial = study.ask()
        _ = trial.relative_params
        for path, dimension in SPACE.items():
            study.sampler = seeded(sampler, number, path)
            dimension.suggest(trial, path)
        study.tell(trial, sum(trial.params.values()))
    return [trial.params for trial in study.trials]


def dies_as_it_asks(points, at, monkeypatch):
    """Ask for a point, and be interrupted as this method of the storage is called."""

    def die(*arguments, **named):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(RDBStorage, at, die)
        with pytest.raises(KeyboardInterrupt):
            points.ask()


def seeded(sampler, number, path):
    entropy = [SamplerConfig().seed, number, *path.encode()]
    return SAMPLERS[sampler](int(np.random.SeedSequence(entropy).generate_state(1)[0]), 2)


@pytest.mark.parametrize("sampler", ["random", "tpe", "gp"])
def test_points_are_those_that_optuna_draws(database, sampler):
    """Other processes tell some of the trials, and draw some of them."""
    one, other = (points_of(database, sampler, sampler) for _ in range(2))
    for number in range(5):
        asking, telling = (one, other) if number % 2 else (other, one)
        assert asking.ask() == number
        finish(telling, number)
    assert [trial.params for trial in one.all()] == directly(sampler, sampler)


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_a_process_that_dies_while_it_draws_leaves_nothing(database, monkeypatch, sampler):
    whole, parts = (points_of(database, f"{sampler} {i}", sampler) for i in range(2))
    for number in range(4):
        assert whole.ask() == number
        finish(whole, number)
    for number in range(4):
        dies_as_it_asks(parts, "create_new_trial", monkeypatch)
        assert len(parts.all()) == number
        assert parts.ask() == number
        finish(parts, number)
    assert [t.params for t in parts.all()] == [t.params for t in whole.all()]


def test_another_process_may_draw_what_this_one_could_not_write(database, monkeypatch):
    here, there = points_of(database, "both"), points_of(database, "both")
    dies_as_it_asks(here, "create_new_trial", monkeypatch)
    there.ask({"a": 0.5, "b": 3, "c": 0.2})
    assert here.ask() == 1
    assert here.get(0).params == {"a": 0.5, "b": 3, "c": 0.2}


def test_the_first_point_may_be_given_and_is_drawn_once(database):
    points = points_of(database, "first")
    first = {"a": 0.5, "b": 3, "c": 0.2}
    assert points.ask(first) == 0
    assert points.ask(first) == 1
    assert [trial.params == first for trial in points.all()] == [True, False]


def test_what_was_enqueued_by_hand_comes_first(database, monkeypatch):
    points = points_of(database, "enqueued")
    points.study.enqueue_trial({"b": 7})
    dies_as_it_asks(points, "set_trial_state_values", monkeypatch)
    assert [points.ask(), points.ask()] == [0, 1]
    assert points.get(0).params["b"] == 7
    assert points.get(0).params.keys() == SPACE.keys()
    assert [trial.state for trial in points.all()] == [TrialState.RUNNING] * 2


def test_two_that_draw_in_turn_draw_different_points(database):
    one, two = points_of(database, "two"), points_of(database, "two")
    assert [one.ask(), two.ask(), one.ask()] == [0, 1, 2]
    assert len({trial.params["a"] for trial in two.all()}) == 3


def test_a_point_is_told_once(database):
    points = points_of(database, "told")
    points.ask()
    points.tell(0, TrialState.COMPLETE, 0.5)
    points.tell(0, TrialState.COMPLETE, 0.7)
    assert points.get(0).value == 0.5


def test_a_rung_that_is_asked_about_again_answers_the_same(database):
    """Optuna notes that a trial has reached a rung before it decides: a process may die in between."""
    points = points_of(database, "rungs")
    pruner = HalvingConfig(min_resource=1, reduction_factor=2).pruner(4)
    answers = []
    for value in (0.9, 0.5, 0.95, 0.1):
        number = points.ask()
        answers.append([points.gives_up(number, pruner, 1, value) for _ in range(3)])
    assert answers == [[False] * 3, [True] * 3, [False] * 3, [True] * 3]
    assert [points.gives_up(0, pruner, 2, 0.9) for _ in range(2)] == [False, False]


def test_an_absent_database_is_waited_for(database, monkeypatch):
    points = points_of(database, "away")
    monkeypatch.setattr(patience.time, "sleep", lambda seconds: None)
    calls, get = [], points.study.get_trials

    def away(**options):
        calls.append(options)
        if len(calls) < 4:
            raise StorageInternalError("gone")
        return get(**options)

    monkeypatch.setattr(points.study, "get_trials", away)
    assert points.all() == []
    assert len(calls) == 4
    calls.clear()
    assert points.best() is None
    assert len(calls) == 4


def test_a_database_that_does_not_come_back_is_told_in_one_line(database, monkeypatch):
    points = points_of(database, "gone")
    monkeypatch.setattr(patience, "PATIENCE", 0.0)

    def away(**options):
        raise StorageInternalError("gone") from OSError("connection refused")

    monkeypatch.setattr(points.study, "get_trials", away)
    with pytest.raises(
        ConfigError, match=r"has been away for 0 s \(connection refused\); start it, and the same command"
    ):
        points.all()


def test_threads_do_not_lose_attributes(database):
    points = points_of(database, "attributes")
    points.ask()
    threads = [threading.Thread(target=points.put, args=(0, f"key {i}", i)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(key.startswith("key") for key in points.get(0).user_attrs) == 8
