"""What a study's best trial is compared with at its end."""

import optuna
import pytest

from rdpp.config import ConfigError
from rdpp.sweep.after import confirmation
from rdpp.sweep.config import SweepConfig
from rdpp.sweep.space import FloatRange

PATH = "optimizer.projection_lr"


@pytest.fixture
def sweep(tiny):
    experiment = tiny.with_overrides({"seeds": [4, 7]})
    return SweepConfig("confirming", experiment, {PATH: FloatRange(1e-4, 1e-2)}, 3, confirm=3)


def best(value):
    distribution = optuna.distributions.FloatDistribution(1e-4, 1e-2)
    study = optuna.create_study(direction="maximize")
    study.add_trial(optuna.trial.create_trial(value=0.9, params={PATH: value}, distributions={PATH: distribution}))
    return study.best_trial


def test_both_are_trained_with_the_seeds_after_the_studys(sweep):
    found = confirmation(sweep, best(0.002))
    assert list(found) == ["base", "trial-000"]
    assert {experiment.seeds for experiment in found.values()} == {(8, 9, 10)}
    rates = [experiment.optimizer.projection_lr for experiment in found.values()]
    assert rates == [sweep.experiment.optimizer.projection_lr, 0.002]


def test_the_experiment_as_it_stands_is_not_compared_with_itself(sweep):
    assert confirmation(sweep, best(sweep.experiment.optimizer.projection_lr)) == {}


def test_a_study_may_confirm_nothing(sweep, tiny):
    assert confirmation(SweepConfig("none", tiny, sweep.space, 3), best(0.002)) == {}
    with pytest.raises(ConfigError, match="confirm must be 0 or at least 2 seeds, got 1"):
        SweepConfig("one", tiny, sweep.space, 3, confirm=1)
