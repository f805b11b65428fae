import dataclasses
import math

import optuna
import pytest
from optuna.trial import TrialState
from tracked import TWO_LOSSES, tracked_study

from rdpp.config import ConfigError
from rdpp.runs import opened
from rdpp.sweep import SweepConfig
from rdpp.sweep.config import SamplerConfig
from rdpp.sweep.objective import Objective
from rdpp.sweep.pruners import PRUNERS
from rdpp.sweep.report import Spread, as_json, spread, spread_sentence, table
from rdpp.sweep.space import FloatRange
from rdpp.sweep.study import open_study, remaining_trials
from rdpp.tracking.store import Store
from rdpp.tracking.tree import MlflowTree

METRICS = ("image_auroc", "pixel_auroc")
SPACE = {"losses.ssot.weight": FloatRange(0.01, 1.0, log=True), "noise.scale": FloatRange(0.05, 0.5)}


@pytest.fixture
def sweep(tiny, request):
    experiment = tiny.with_overrides(
        {
            "seeds": [1],
            "data.categories": ["weave", "bolt"],
            "training.epochs": 1,
            "heatmaps": 0,
            **TWO_LOSSES,
            "keep": "none",
        }
    )
    return SweepConfig(request.node.name, experiment, SPACE, 2, METRICS, SamplerConfig(startup_trials=1))


@pytest.fixture
def storage(tmp_path):
    return f"sqlite:///{tmp_path / 'optuna.db'}"


def judged(sweep: SweepConfig, store: Store, trial: optuna.trial.FixedTrial) -> float:
    """The objective's value of a trial without a study."""
    with MlflowTree(store=store) as tree:
        parent = tree.open("parent", level="study", key=sweep.name, parent=None, tags={"study": sweep.name})
        with opened(tree, parent):
            return Objective(sweep, tree, parent, PRUNERS["none"], again=True)(trial)


def test_an_undefined_objective_is_refused_before_the_first_trial(sweep, storage, store_uri):
    study = open_study(dataclasses.replace(sweep, objective=("image_auroc", "pixel_aupimo")), storage)
    with pytest.raises(ConfigError, match=r"the objective goes by pixel_aupimo, which .* too few normal"):
        tracked_study(dataclasses.replace(sweep, objective=("image_auroc", "pixel_aupimo")), study, Store(store_uri))
    assert study.trials == []


def test_an_objective_that_turns_out_undefined_is_named(sweep):
    objective = Objective(dataclasses.replace(sweep, objective=("image_auroc", "pixel_aupro")), None, None, None)
    with pytest.raises(ConfigError, match="objective pixel_aupro is undefined"):
        objective.value({"image_auroc": 0.5, "pixel_aupro": float("nan")})


def params(study: optuna.Study) -> list[dict]:
    return [t.params for t in study.trials if t.state != TrialState.FAIL]


def test_a_study_runs_its_trials_under_one_mlflow_tree(sweep, storage, store_uri):
    store = Store(store_uri)
    study = open_study(sweep, storage)
    run_id = tracked_study(sweep, study, store)
    assert remaining_trials(study, sweep.trials) == 0
    parent = store.client.get_run(run_id)
    assert parent.data.metrics["best_objective"] == pytest.approx(study.best_value)
    trials = store.client.search_runs([store.experiment_id], f"tags.`mlflow.parentRunId` = '{run_id}'")
    assert sorted(t.info.run_name for t in trials) == ["trial-000", "trial-001"]
    for trial in trials:
        query = f"tags.`mlflow.parentRunId` = '{trial.info.run_id}'"
        leaves = store.client.search_runs([store.experiment_id], query)
        assert {leaf.data.tags["study"] for leaf in leaves} == {sweep.name}
        assert len(leaves) == 2 or trial.data.tags["state"] == "pruned"
    artifacts = {a.path for a in store.client.list_artifacts(run_id)} | {
        a.path for a in store.client.list_artifacts(run_id, "figures")
    }
    assert {"best.json", "trials.csv", "figures/history.html", "figures/slices.html"} <= artifacts


def test_the_first_trial_is_the_base_experiment(sweep, storage, store_uri):
    study = open_study(sweep, storage)
    tracked_study(dataclasses.replace(sweep, trials=1), study, Store(store_uri))
    terms = sweep.experiment.terms
    assert study.trials[0].params == {"losses.ssot.weight": terms["ssot"].weight, "noise.scale": 0.2}


def test_a_study_that_stopped_goes_on_as_it_would_have_gone(sweep, tmp_path, store_uri):
    store = Store(store_uri)
    sweep = dataclasses.replace(sweep, trials=3)
    whole = open_study(sweep, f"sqlite:///{tmp_path / 'whole.db'}")
    tracked_study(sweep, whole, store)
    for trials in (1, 3):
        parts = open_study(dataclasses.replace(sweep, trials=trials), f"sqlite:///{tmp_path / 'parts.db'}")
        tracked_study(dataclasses.replace(sweep, trials=trials), parts, store)
    assert params(parts) == params(whole)
    assert [t.value for t in parts.trials] == [t.value for t in whole.trials]


def test_a_trial_that_was_interrupted_is_tried_again_with_its_values(sweep, storage, store_uri):
    store = Store(store_uri)
    calls = []

    def interrupt(event) -> None:
        calls.append(event)
        if len(calls) == 4:
            raise KeyboardInterrupt

    study = open_study(sweep, storage)
    with pytest.raises(KeyboardInterrupt):
        tracked_study(sweep, study, store, [interrupt])
    failed = study.trials[0]
    assert failed.state == TrialState.FAIL
    study = open_study(sweep, storage)
    tracked_study(sweep, study, store)
    assert study.trials[1].params == failed.params
    assert study.trials[1].user_attrs["retry_of"] == 0
    assert remaining_trials(study, sweep.trials) == 0


def test_a_changed_definition_is_not_mixed_into_an_old_study(sweep, storage):
    open_study(sweep, storage)
    changed = dataclasses.replace(sweep, objective=("pixel_aupro",))
    with pytest.raises(ValueError, match="was started with another definition"):
        open_study(changed, storage)
    more = dataclasses.replace(sweep, trials=50)
    assert open_study(more, storage).study_name == sweep.name


def test_a_study_of_an_older_version_is_refused(sweep, storage):
    study = open_study(sweep, storage)
    study.set_user_attr("schema", 1)
    with pytest.raises(ValueError, match=r"was started by another version of rdpp \(schema 1, this one: 3\)"):
        open_study(sweep, storage)


def test_a_storage_that_cannot_be_used_is_named_without_its_password(sweep, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="cannot be used"):
        open_study(sweep, f"sqlite:///{tmp_path / 'file' / 'x.db'}")
    with pytest.raises(ValueError, match=r"storage nonsense://user:\*\*\*@host/db cannot be used") as caught:
        open_study(sweep, "nonsense://user:secret@host/db")
    assert "secret" not in str(caught.value)


def test_the_objective_is_the_mean_over_cells_and_metrics(sweep, store_uri):
    store = Store(store_uri)
    fixed = optuna.trial.FixedTrial({"losses.ssot.weight": 0.1, "noise.scale": 0.2})
    value = judged(sweep, store, fixed)
    cells = [v["metrics"] for k, v in fixed.user_attrs.items() if k.startswith("run/")]
    assert len(cells) == 2
    assert value == pytest.approx(sum(c["image_auroc"] + c["pixel_auroc"] for c in cells) / 4)


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


def test_the_objective_of_a_trial_does_not_see_the_test_set(held_out, store_uri, tmp_path):
    """Scrambled test images change what is shown of a trial, not its value."""
    import shutil

    import numpy as np
    from PIL import Image

    store, values = Store(store_uri), []
    for scrambled in (False, True):
        root = tmp_path / str(scrambled)
        shutil.copytree(held_out.data.root, root)
        for path in (root / "bolt" / "test").rglob("*.png") if scrambled else ():
            Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save(path)
        experiment = held_out.with_overrides(
            {"data.root": str(root), "training.epochs": 1, "heatmaps": 0, **TWO_LOSSES, "keep": "none", "seeds": [1, 2]}
        )
        sweep = SweepConfig("scrambled", experiment, SPACE, 1, METRICS)
        fixed = optuna.trial.FixedTrial({"losses.ssot.weight": 0.1, "noise.scale": 0.2})
        values.append((judged(sweep, store, fixed), fixed.user_attrs["run/1/bolt"]))
    assert values[0][0] == values[1][0]
    assert values[0][1]["metrics"] == values[1][1]["metrics"]
    assert values[0][1]["test"] != values[1][1]["test"]


def test_a_named_pruner_is_used(sweep):
    assert dataclasses.replace(sweep, pruner="none").chosen_pruner(9) == ("none", "as the sweep file says")


def finished(value: float, by_cell: dict[tuple[str, int], float]) -> optuna.trial.FrozenTrial:
    def metrics(v: float) -> dict[str, float]:
        return {"image_auroc": v, "pixel_auroc": v}

    attrs = {f"run/{s}/{c}": {"metrics": metrics(v), "test": metrics(v / 2)} for (c, s), v in by_cell.items()}
    distributions = {path: optuna.distributions.FloatDistribution(0.01, 1.0) for path in SPACE}
    return optuna.trial.create_trial(
        value=value, params=dict.fromkeys(SPACE, 0.1), distributions=distributions, user_attrs=attrs
    )


def test_the_spread_of_seeds_stands_beside_that_of_trials(sweep):
    study = optuna.create_study(direction="maximize")
    study.add_trial(finished(0.6, {("a", 1): 0.5, ("b", 1): 0.6, ("a", 2): 0.6, ("b", 2): 0.7}))
    study.add_trial(finished(0.8, {("a", 1): 0.7, ("b", 1): 0.8, ("a", 2): 0.8, ("b", 2): 0.9}))
    found = spread(sweep, study)
    assert found.trials == pytest.approx(0.2 / math.sqrt(2))
    assert found.seeds == pytest.approx(0.1 / math.sqrt(2))
    assert found.seeds_of_mean == pytest.approx(0.05)
    assert "may be chance" not in spread_sentence(found)
    assert "may be chance" in spread_sentence(Spread(0.05, 0.1, 0.07))
    assert "Too few" in spread_sentence(Spread(float("nan"), 0.1, 0.07))


def test_the_table_and_json_show_every_trial_by_category(sweep):
    study = optuna.create_study(direction="maximize")
    study.add_trial(finished(0.6, {("a", 1): 0.5, ("b", 1): 0.7}))
    study.add_trial(finished(0.8, {("a", 1): 0.7, ("b", 1): 0.9}))
    rows = table(sweep, study)
    assert rows.row_count == 2
    assert list(rows.columns[0].cells) == ["1", "0"]  # the best first
    data = as_json(sweep, study, "run")
    assert data["best"]["value"] == 0.8
    assert data["trials"][1]["test_value"] == pytest.approx(0.4)
    assert data["trials"][0]["by_category"] == {"a": 0.5, "b": 0.7}


def test_a_metric_that_the_test_images_do_not_define_is_a_dash(sweep):
    study = optuna.create_study(direction="maximize")
    trial = finished(0.6, {("a", 1): 0.5})
    trial.user_attrs["run/1/a"]["test"] = {"image_auroc": 0.4}
    study.add_trial(trial)
    assert list(table(sweep, study).columns[-2].cells) == ["-"]
    assert as_json(sweep, study, "run")["trials"][0]["test_value"] is None


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
def test_a_foreign_study_of_the_same_name_is_refused(sweep, storage, direction):
    foreign = optuna.create_study(storage=storage, study_name=sweep.name, direction=direction)
    foreign.add_trial(optuna.trial.create_trial(value=0.5))
    with pytest.raises(ValueError, match=rf"that rdpp did not start \(directions: {direction}; 1 trials\); give the"):
        open_study(sweep, storage)


def diverging(sweep, trials, lowest):
    space = {"optimizer.restoration_lr": FloatRange(lowest, 1e38, log=True)}
    experiment = sweep.experiment.with_overrides({"data.categories": ["bolt"]})
    return dataclasses.replace(sweep, space=space, experiment=experiment, trials=trials)


def test_a_diverging_trial_is_a_result_and_the_study_goes_on(sweep, storage, store_uri):
    sweep, store = diverging(sweep, 3, 1e-3), Store(store_uri)
    study = open_study(sweep, storage)
    study.enqueue_trial({"optimizer.restoration_lr": 5e-3})
    study.enqueue_trial({"optimizer.restoration_lr": 1e38})
    study.enqueue_trial({"optimizer.restoration_lr": 4e-3})
    tracked_study(sweep, study, store)
    assert [t.state.name for t in study.trials] == ["COMPLETE", "FAIL", "COMPLETE"]
    assert "not finite; did training diverge?" in study.trials[1].user_attrs["failure"]
    rows = {row[0]: row[-1] for row in zip(*(column.cells for column in table(sweep, study).columns), strict=True)}
    assert rows["1"] == "failed in run 1"
    query = f"tags.study = '{sweep.name}' and tags.trial = '1' and tags.level = 'run'"
    (run,) = store.search(query)
    assert (run.info.status, "NotFinite" in run.data.tags["error"]) == ("FAILED", True)
    tracked_study(sweep, open_study(sweep, storage), store)
    assert len(study.trials) == 3


def test_five_diverging_trials_in_a_row_end_the_study(sweep, storage, store_uri):
    sweep = diverging(sweep, 9, 1e37)
    study = open_study(sweep, storage)
    with pytest.raises(ConfigError, match=r"the last 5 trials of '\S+' failed \(\d+ of \d+ pixels .* narrow the space"):
        tracked_study(sweep, study, Store(store_uri))
    assert len(study.trials) == 5
    assert len({t.params["optimizer.restoration_lr"] for t in study.trials}) == 5
