"""Which swept value matters, and what a study says of it."""

import dataclasses
import math

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState

from rdpp.sweep.chance import Chance
from rdpp.sweep.config import SweepConfig
from rdpp.sweep.findings import importance_sentences
from rdpp.sweep.importance import importances
from rdpp.sweep.space import Choice, FloatRange

MATTERS, IDLE, BATCH = "losses.distillation.weight", "optimizer.projection_lr", "training.batch_size"
SPACE = {MATTERS: FloatRange(0.01, 1.0), IDLE: FloatRange(0.001, 0.1), BATCH: Choice((2, 3))}
DISTRIBUTIONS = {
    MATTERS: FloatDistribution(0.01, 1.0),
    IDLE: FloatDistribution(0.001, 0.1),
    BATCH: CategoricalDistribution((2, 3)),
}


@pytest.fixture
def sweep(tiny):
    return SweepConfig("matters", tiny, SPACE, 30, objective=("image_auroc",))


def study_of(value, count=30, *, runs=4):
    """Trials whose value depends on their point by `value`; every second one is pruned after `runs` of its 4 runs."""
    random = np.random.default_rng(0)
    study = optuna.create_study(direction="maximize")
    for number in range(count):
        point = {MATTERS: random.uniform(0.01, 1), IDLE: random.uniform(0.001, 0.1), BATCH: int(random.integers(2, 4))}
        pruned = number % 2 == 1
        cells = [(1, "a"), (1, "b"), (2, "a"), (2, "b")][: runs if pruned else 4]
        # the second seed adds the same to all: a mean over other runs is another value
        found = {f"run/{s}/{c}": {"metrics": {"image_auroc": value(point) + 0.3 * (s - 1)}} for s, c in cells}
        study.add_trial(
            optuna.create_trial(
                state=TrialState.PRUNED if pruned else TrialState.COMPLETE,
                value=None if pruned else value(point) + 0.15,
                params=point,
                distributions=DISTRIBUTIONS,
                user_attrs=found,
            )
        )
    return study


def by_the_first(point):
    """Highest at 1."""
    return 0.2 + 0.3 * point[MATTERS]


def test_the_value_that_decides_stands_first_and_pruned_trials_count(sweep):
    found = importances(sweep, study_of(by_the_first, runs=2))
    assert found is not None
    assert next(iter(found.shares)) == MATTERS
    assert found.shares[MATTERS] > 0.9
    assert sum(found.shares.values()) == pytest.approx(1)
    assert (len(found.values), sorted(found.runs)) == (30, [("a", 1), ("b", 1)])
    assert found.values == pytest.approx([by_the_first(trial.params) for trial in found.study.trials])


def test_trials_that_ended_within_their_first_run_are_left_out(sweep):
    found = importances(sweep, study_of(by_the_first, runs=0))
    assert found is not None
    assert (len(found.values), len(found.runs)) == (15, 4)
    assert found.values == pytest.approx([by_the_first(trial.params) + 0.15 for trial in found.study.trials])


@pytest.mark.parametrize(
    "study", [study_of(by_the_first, 9), study_of(lambda _: 0.5), optuna.create_study()], ids=["few", "alike", "none"]
)
def test_few_trials_or_equal_ones_tell_nothing(sweep, study):
    assert importances(sweep, study) is None
    assert "cannot be told" in importance_sentences(sweep, None, 15)[0]


def test_the_sentences_name_share_spread_and_good_values(sweep):
    found = of_chance(importances(sweep, study_of(by_the_first, runs=2)), 0.01)
    explains, best = importance_sentences(sweep, found, 15)
    assert explains.startswith("What explains the variance between 30 trials, the pruned ones too (standard deviation ")
    assert f"{100 * found.spread:.2f} points; by the choice of seeds alone 1.00)" in explains
    assert f": {MATTERS} {100 * found.shares[MATTERS]:.0f} %, " in explains
    highest = sorted(trial.params[MATTERS] for trial in found.study.trials)[-7:]
    assert best == (f"The best 7 of them have {MATTERS} from {highest[0]:.4g} to {highest[-1]:.4g}, of 0.01 to 1.")


def test_choices_are_listed(sweep):
    found = importances(sweep, study_of(lambda point: 0.1 * point[BATCH]))
    assert importance_sentences(sweep, found, 15)[1] == f"The best 7 of them have {BATCH} 3, of 2 or 3."


def test_nothing_matters_where_seeds_differ_as_much(sweep):
    found = importances(sweep, study_of(by_the_first, runs=2))
    (sentence,) = importance_sentences(sweep, of_chance(found, found.spread), 15)
    assert sentence.startswith("No swept value can be seen to matter")
    one_seed = dataclasses.replace(found, chance=Chance(math.nan, 0))
    assert len(importance_sentences(sweep, one_seed, 15)) == 2  # nothing to set beside it


@pytest.mark.parametrize(
    ("runs", "common"),
    [
        (1, [("a", 1)]),
        (2, [("a", 1), ("b", 1)]),
        (3, [("a", 1), ("b", 1)]),  # the second seed has one category only
        (4, [("a", 1), ("a", 2), ("b", 1), ("b", 2)]),
    ],
)
def test_chance_is_that_of_the_runs_that_all_trials_have(sweep, runs, common):
    """One category's noise is ten times the other's: what its mean tells is not what the mean of both tells."""
    random = np.random.default_rng(1)
    noise = {"a": 0.1, "b": 0.01}
    study = study_of(by_the_first, count=400, runs=runs)
    for trial in study.get_trials(deepcopy=False):
        for key, found in trial.user_attrs.items():
            found["metrics"]["image_auroc"] += noise[key[-1]] * random.standard_normal()
    found = importances(sweep, study)
    assert sorted(found.runs) == common
    expected = math.sqrt(sum(noise[category] ** 2 for category, _ in common)) / len(common)
    assert found.chance.deviation == pytest.approx(expected, rel=0.15)
    assert found.chance.degrees == 199


def of_chance(found, deviation):
    """The same, where seeds alone give so much."""
    return dataclasses.replace(found, chance=Chance(deviation, 15))
