"""The matrix: what belongs to it, what is missing of it, how it lies in MLflow."""

import pytest
from tracked import tracked_ablation
from variants import RELEASED, VARIANTS

from rdpp.ablation.config import AblationConfig
from rdpp.ablation.run import matrix, missing
from rdpp.config import ConfigError
from rdpp.engine import BatchFinished, ImagesRead, RunStarted
from rdpp.runs import TakenOver
from rdpp.tracking.tree import MlflowTree


def todo(ablation, store):
    """What is missing of an ablation, by variant."""
    with MlflowTree(store=store) as tree:
        return missing(matrix(ablation), tree)


def test_every_variant_of_a_block_before_the_next_seed(small):
    cells = [(variant, spec.name) for variant, spec in matrix(small[0])]
    assert cells == [("rd", "bolt-seed1"), ("ot", "bolt-seed1"), ("rd", "bolt-seed2"), ("ot", "bolt-seed2")]


def test_variants_differ_in_what_they_say_and_share_the_rest(small):
    rd, ot = small[0].variants.values()
    assert (rd.name, set(rd.terms)) == ("rd", {"distillation"})
    assert (ot.name, set(ot.terms)) == ("ot", {"distillation", "ssot"})
    for variant in (rd, ot):  # the base selects officially: an ablation does not, unless it says so
        assert (variant.evaluation.selection, variant.evaluation.hold_out) == ("held_out", 0.2)
        assert variant.seeds == (1, 2)


def test_the_tree_in_mlflow(small):
    _, store, parent = small
    run = store.client.get_run(parent)
    assert (run.data.tags["level"], run.data.tags["baseline"], run.info.status) == ("ablation", "rd", "FINISHED")
    variants = store.search(f"tags.`mlflow.parentRunId` = '{parent}'")
    assert {v.data.tags["variant"] for v in variants} == {"rd", "ot"}
    for variant in variants:
        leaves = store.search(f"tags.`mlflow.parentRunId` = '{variant.info.run_id}'")
        assert sorted(leaf.info.run_name for leaf in leaves) == [
            f"{variant.info.run_name} · bolt · seed {n}" for n in (1, 2)
        ]
        assert {leaf.data.tags["variant"] for leaf in leaves} == {variant.data.tags["variant"]}
        assert {leaf.data.tags["selection"] for leaf in leaves} == {"held_out"}


def test_nothing_is_missing_then_and_nothing_is_run_again(small):
    ablation, store, parent = small
    assert todo(ablation, store) == []

    told = []
    assert tracked_ablation(ablation, store, [told.append]) == parent
    assert [type(event) for event in told] == [ImagesRead, *[TakenOver] * 4]


def test_only_missing_cells_are_run(small, write_ablation, store_uri):
    _, store, _ = small
    more = AblationConfig.from_yaml(write_ablation(variants={**VARIANTS, "released": RELEASED}))
    assert [name for name, _ in todo(more, store)] == ["released", "released"]
    other_seeds = AblationConfig.from_yaml(write_ablation(seeds=(2, 3)))
    assert [(name, spec.seed) for name, spec in todo(other_seeds, store)] == [("rd", 3), ("ot", 3)]
    changed = {**VARIANTS, "ot": {**VARIANTS["ot"], "losses.ssot.weight": 0.7}}
    found = todo(AblationConfig.from_yaml(write_ablation(variants=changed)), store)
    assert [name for name, _ in found] == ["ot"] * 2


def test_an_ablation_that_was_stopped_goes_on(write_ablation, store_uri, small):
    store = small[1]
    ablation = AblationConfig.from_yaml(write_ablation("stopped", seeds=(11, 12)))
    started = []

    def stop_in_the_third_run(event):
        started.append(event) if isinstance(event, RunStarted) else None
        if len(started) == 3 and isinstance(event, BatchFinished):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tracked_ablation(ablation, store, [stop_in_the_third_run])
    (parent,) = store.search("tags.level = 'ablation' and tags.ablation = 'stopped'")
    assert parent.info.status == "KILLED"
    assert len(todo(ablation, store)) == 2
    started.clear()
    assert tracked_ablation(ablation, store, [started.append]) == parent.info.run_id
    assert len([event for event in started if isinstance(event, RunStarted)]) == 2
    assert todo(ablation, store) == []
    variants = store.search(f"tags.level = 'variant' and tags.`mlflow.parentRunId` = '{parent.info.run_id}'")
    assert sorted(run.info.run_name for run in variants) == ["ot", "rd"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"variants": {"rd": {}}}, "an ablation needs at least two variants"),
        ({"baseline": "rdd"}, "unknown baseline 'rdd', did you mean 'rd'"),
        ({"seeds": (1,)}, r"at least two seeds to tell a difference from chance, got \[1\]"),
        ({"variants": {"rd": {}, "x": {"seeds": [3, 4]}}}, "variants.x changes seeds"),
        ({"variants": {"rd": {}, "x": {"data.image_size": 96}}}, "variants.x changes data"),
        ({"variants": {"rd": {}, "x": {"teacher": {"name": "resnet18"}}}}, "variants.x changes teacher"),
        ({"variants": {"rd": {}, "x": {"evaluation.hold_out": 0.3}}}, "variants.x changes evaluation.hold_out"),
        ({"variants": {"rd": {}, "x": {"losses.sot": None}}}, "variants.x: .*unknown key .*'sot', did you mean 'ssot'"),
        ({"variants": {"rd": {}, "x": 3}}, "variants.x must be a mapping"),
        ({"variants": [1]}, "variants must be a mapping"),
        ({"baselin": "rd"}, "unknown key in .*'baselin', did you mean 'baseline'"),
        ({"experiment": 3}, "experiment is missing or not text"),
    ],
)
def test_what_is_refused(write_ablation, settings, message):
    with pytest.raises(ConfigError, match=message):
        AblationConfig.from_yaml(write_ablation(**settings))


def test_all_variants_train_on_the_same_images_however_they_choose(write_ablation):
    variants = {"rd": {}, "last": {"evaluation.selection": "last"}, "official": {"evaluation.selection": "official"}}
    ablation = AblationConfig.from_yaml(write_ablation(variants=variants))
    assert {v.evaluation.held_out_share for v in ablation.variants.values()} == {0.2}
    assert [v.evaluation.watched for v in ablation.variants.values()] == ["held_out", "held_out", "test"]
