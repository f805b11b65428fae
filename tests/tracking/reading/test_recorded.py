"""Configurations as MLflow has them. Runs are written as training writes them, without training."""

import uuid

import pytest

from rdpp.comparison.search import find_runs
from rdpp.config import ConfigError
from rdpp.deploy.registry import register
from rdpp.tracking.conventions.tags import taken_by
from rdpp.tracking.reading.checkpoints import leaves
from rdpp.tracking.reading.recorded import recorded_experiment, run_with_checkpoint
from rdpp.tracking.store.listing import StoredRun
from rdpp.tracking.store.mlflow_store import Store


@pytest.fixture(scope="module")
def store(store_uri):
    return Store(store_uri)


class Written:
    """A study in a store, as a sweep writes it."""

    def __init__(self, store, experiment):
        self.store, self.experiment = store, experiment
        self.name = f"study-{uuid.uuid4().hex[:8]}"
        self.id = store.start_run(self.name, tags={"level": "study", "study": self.name, "variant": "tiny"})

    def trial(self, number, objective=None, state="complete"):
        tags = {
            "level": "trial",
            "study": self.name,
            "trial": number,
            "variant": "tiny",
            "root": self.id,
            "state": state,
        }
        trial = self.store.start_run(f"trial-{number}", parent=self.id, tags=tags)
        if objective is not None:
            self.store.log_metrics(trial, {"objective": objective})
        return trial

    def run(self, trial, number, category, seed, status="FINISHED", **changes):
        tags = {"level": "run", "study": self.name, "trial": number, "category": category, "seed": seed}
        run = self.store.start_run(f"{category}-{seed}", parent=trial, tags={**tags, "root": self.id})
        given = {"device": "cpu", "threads": 1, "feature_cache_gb": 0.5, **changes}
        settings = {"data.categories": [category], "seeds": [seed], **given}
        self.store.client.log_text(run, self.experiment.with_overrides(settings).to_yaml(), "experiment.yaml")
        self.store.end_run(run, status, {})
        return run


@pytest.fixture
def study(store, tiny):
    return Written(store, tiny)


def test_a_studys_best_trial_with_all_its_categories_and_seeds(store, study):
    for number, objective in enumerate((0.7, 0.9, 0.9)):
        trial = study.trial(number, objective)
        for category, seed in (("bolt", 2), ("weave", 1))[: 2 if number == 1 else 1]:
            study.run(trial, number, category, seed, **{"noise.scale": (number + 1) / 10, "training.epochs": 5})
    study.trial(3, state="pruned")
    for source in (study.name, study.id):
        found = recorded_experiment(store, source)
        experiment = found.experiment
        assert experiment.noise.scale == 0.2  # of equal trials the earlier
        assert experiment.data.categories == ("bolt", "weave")
        assert experiment.seeds == (1, 2)
        assert experiment.training.epochs == 5
        assert experiment.name == f"{study.name}-trial-001"
        assert found.what == f"trial 1 of the study {study.name} (bolt, weave; seeds 1, 2)"


def test_what_belongs_to_the_machine_and_its_worker_is_left_to_the_one_that_trains(store, study):
    run = study.run(study.trial(0), 0, "bolt", 1)
    experiment = recorded_experiment(store, run).experiment
    assert (experiment.device, experiment.threads, experiment.feature_cache_gb) == ("auto", None, 4.0)
    assert experiment.data.root == study.experiment.data.root


def test_epochs_that_differ_between_categories_stay_so(store, study):
    trial = study.trial(0, 0.5)
    for category, epochs in (("bolt", 3), ("weave", 7)):
        study.run(trial, 0, category, 1, **{"training.epochs": epochs})
    training = recorded_experiment(store, trial).experiment.training
    assert [training.epochs_of(name) for name in ("bolt", "weave", "speckle")] == [3, 7, 7]


def test_runs_that_a_trial_took_over_are_its_own(store, study, tiny):
    other = Written(store, tiny)
    trial = study.trial(0, 0.5)
    taken = other.run(other.trial(4), 4, "speckle", 3)
    store.set_tags(taken, {taken_by(study.id): '["0"]'})
    elsewhere = other.run(other.trial(5), 5, "weave", 3)
    store.set_tags(elsewhere, {taken_by(study.id): '["1"]'})
    own = study.run(trial, 0, "bolt", 3)
    assert recorded_experiment(store, study.name).experiment.data.categories == ("bolt", "speckle")
    assert sorted(leaves(store, trial)) == sorted([own, taken])
    assert sorted(leaves(store, study.id)) == sorted([own, taken, elsewhere])
    found = find_runs(store, [trial], "trial")
    assert sorted(run.run_id for run in found.runs) == sorted([own, taken])
    assert found.variants == ("trial-000",)


def test_a_pruned_trial_says_so(store, study):
    trial = study.trial(2, state="pruned")
    study.run(trial, 2, "bolt", 1, status="KILLED")
    assert "which is pruned (bolt; seeds 1)" in recorded_experiment(store, trial).what


def test_another_data_set_has_its_own_layout(store, study):
    found = recorded_experiment(store, study.run(study.trial(0), 0, "bolt", 1))
    assert found.on_data("/elsewhere").data.reader == "auto"
    assert found.on_data(None).data.reader == study.experiment.data.reader


def test_where_there_is_none_yet_the_command_that_makes_one_is_named(new_store, tmp_path):
    store, name = Store(new_store(tmp_path / "mlflow.db")), tmp_path / "mlflow.db"
    again = "first, or name another store with --tracking-uri"
    study = rf"unknown study \(in \S+{name}\) 'demo': there is none yet; run rdpp sweep {again}"
    both = (
        rf"unknown ablation or study \(in \S+{name}\) 'demo': there is none yet; run rdpp ablate or rdpp sweep {again}"
    )
    with pytest.raises(ConfigError, match=study):
        recorded_experiment(store, "demo")
    with pytest.raises(ConfigError, match=study):
        register("demo", "name", None, store.uri)
    with pytest.raises(ConfigError, match=both):
        find_runs(store, ["demo"])


def test_what_is_not_there_is_one_line(store, study):
    with pytest.raises(ConfigError, match=f"{study.name} has no complete trial \\(0 have begun\\)"):
        recorded_experiment(store, study.name)
    with pytest.raises(ConfigError, match=f"unknown study .* '{study.name}x', did you mean '{study.name}'"):
        recorded_experiment(store, study.name + "x")
    with pytest.raises(ConfigError, match="no run aaaa"):
        recorded_experiment(store, 32 * "a")
    with pytest.raises(ConfigError, match=r"no run of '.*' has begun"):
        recorded_experiment(store, study.trial(0))
    ablation = store.start_run(study.name, tags={"level": "ablation", "ablation": study.name})
    with pytest.raises(ConfigError, match="names a study and an ablation"):
        recorded_experiment(store, study.name)
    with pytest.raises(ConfigError, match="is of the kind ablation"):
        recorded_experiment(store, ablation)
    bare = store.start_run("bare", tags={"level": "run", "category": "bolt", "seed": 1, "variant": "tiny"})
    with pytest.raises(ConfigError, match=r"has no experiment\.yaml"):
        recorded_experiment(store, bare)


def test_the_model_of_a_trial_is_its_first_finished_run_with_a_checkpoint(store, study):
    trial = study.trial(0, 0.5)
    runs = [study.run(trial, 0, "bolt", seed, status=status) for seed, status in ((3, "FINISHED"), (1, "KILLED"))]
    found = StoredRun.of(store.client.get_run(trial))
    assert run_with_checkpoint(store, found) is None
    for run in runs:
        store.client.log_text(run, "{}", "checkpoint/checkpoint.json")
    model = run_with_checkpoint(store, found)
    assert model is not None
    assert model.run_id == runs[0]
