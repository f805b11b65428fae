"""Pairing, finding runs, tables, files, and what the commands print and refuse."""

import dataclasses
import io
import json
import re

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from rdpp.cli import main
from rdpp.comparison.figures import differences
from rdpp.comparison.pairing import common_means, compare_runs, compared_metrics, pair
from rdpp.comparison.search import RunSet, TrainedRun, _newest, find_runs
from rdpp.comparison.statistics import Answer, Comparison
from rdpp.comparison.tables import as_data, comparison_table, plain_answer, sentences
from rdpp.config import ConfigError
from rdpp.tracking.store.mlflow_store import Store


def run_set(values, baseline="rd"):
    """From {(variant, category, seed): value}."""
    runs = tuple(
        TrainedRun("id", v, c, s, {"image_auroc": value, "pixel_auroc": value}, {}, {})
        for (v, c, s), value in values.items()
    )
    return RunSet("made", "ablation", None, baseline, tuple(dict.fromkeys(r.variant for r in runs)), runs, ())


def made(effect=0.05, categories=8, seeds=3, seed=0):
    rng = np.random.default_rng(seed)
    cells = [(f"c{c}", s) for c in range(categories) for s in range(seeds)]
    values = {("rd", c, s): 0.8 + 0.02 * rng.standard_normal() for c, s in cells}
    return values | {("ot", c, s): values["rd", c, s] + effect + 0.01 * rng.standard_normal() for c, s in cells}


def test_pairs_share_category_and_seed():
    frame = run_set({("rd", "a", 1): 0.5, ("rd", "a", 2): 0.6, ("ot", "a", 2): 0.9, ("ot", "a", 1): 0.7}).frame()
    values, notes = pair(frame, "image_auroc", "rd", ["ot"])
    np.testing.assert_array_equal(values["ot"]["a"], [[0.7, 0.5], [0.9, 0.6]])
    assert notes == []


def test_what_cannot_be_paired_is_left_out_and_told():
    cells = {(v, c, s): 0.5 for v in ("rd", "ot") for c, s in [("a", 1), ("a", 2), ("b", 1)]}
    frame = run_set({**cells, ("rd", "b", 2): 0.5, ("far", "z", 1): 0.5}).frame()
    values, notes = pair(frame, "image_auroc", "rd", ["ot", "far"])
    assert set(values["ot"]) == {"a"}
    assert notes == [
        "rd: left out, since ot lacks them: b seed 2",
        "ot: left out for lack of a second seed: b",
        "far: left out, since rd lacks them: z seed 1",
        "rd: left out, since far lacks them: a seeds 1, 2; b seeds 1, 2",
        "far has no pair with rd in image_auroc; it is left out",
    ]


def unlike(part, value="other", params=False):
    """Three categories; in one of them the variant's runs differ from the baseline's."""
    made_of = run_set(made(categories=3))
    where = "params" if params else "tags"
    runs = tuple(
        dataclasses.replace(run, **{where: {part: value if run.variant == "ot" and run.category == "c1" else "same"}})
        for run in made_of.runs
    )
    return dataclasses.replace(made_of, runs=runs)


@pytest.mark.parametrize(
    ("part", "params", "said"),
    [
        ("train_manifest", False, "training images"),
        ("data_manifest", False, "images"),
        ("method", False, "method"),
        ("selection", False, "selection"),
        ("teacher_fingerprint", False, "teacher"),
        ("data.image_size", True, "image size"),
        ("data.fit", True, "fit"),
    ],
)
def test_unlike_runs_are_no_pairs(part, params, said):
    """Such as those of a variant that was added after an image was deleted."""
    found = unlike(part, params=params)
    values, (note,) = pair(found.frame(), "image_auroc", "rd", ["ot"])
    assert set(values["ot"]) == {"c0", "c2"}
    assert note.startswith(f"ot: no pairs with rd, since they differ in {said}: c1 seeds 0, 1, 2; run them again")
    loose = compare_runs(found, metrics=["image_auroc"], loosely=True)
    assert set(loose.comparisons[0].by_category) == {"c0", "c1", "c2"}
    assert loose.notes == (f"ot: paired loosely with rd, though they differ in {said}: c1 seeds 0, 1, 2",)


def test_variants_that_are_unlike_everywhere_are_an_error_that_says_so():
    found = run_set({(v, "a", s): 0.5 for v in ("rd", "ot") for s in (1, 2)})
    runs = tuple(dataclasses.replace(run, tags={"selection": run.variant}) for run in found.runs)
    with pytest.raises(ConfigError, match=r"they differ in selection: a seeds 1, 2; .* --loosely"):
        compare_runs(dataclasses.replace(found, runs=runs))


def without_the_hard_one():
    """The variant lacks the hard category: its plain mean is 98.0 against 79.5, its paired difference -1.0."""
    values = {("rd", c, s): v for c, v in (("easy", 0.99), ("hard", 0.60)) for s in range(8)}
    return run_set(values | {("ot", "easy", s): 0.98 for s in range(8)})


def test_means_stand_beside_the_difference_of_the_same_runs():
    compared = compare_runs(without_the_hard_one(), metrics=["image_auroc"])
    (found,) = compared.comparisons
    assert (found.variant_mean, found.baseline_mean) == pytest.approx((0.98, 0.99))
    table = comparison_table(compared, "image_auroc")
    cells = {str(c.header): list(c.cells) for c in table.columns}
    assert cells["mean"] == ["98.00"]
    assert cells["mean of\nrd"] == ["99.00"]
    assert cells["difference"] == ["-1.00"]
    assert compared.means["rd"]["image_auroc"] == pytest.approx(0.99)
    assert any("left out, since ot lacks them: hard seeds 0, 1, 2" in note for note in compared.notes)


def test_means_of_all_variants_are_over_the_runs_that_all_have():
    frame = without_the_hard_one().frame()
    means, (note,) = common_means(frame, ["image_auroc"], "rd")
    assert means == {"rd": {"image_auroc": pytest.approx(0.99)}, "ot": {"image_auroc": pytest.approx(0.98)}}
    assert note.startswith("means are over the runs that all variants have; left out: hard seeds 0, 1, 2")


def test_a_variant_without_a_metric_has_no_mean_and_takes_none_from_the_others():
    frame = run_set(made(categories=2)).frame()
    frame.loc[frame.variant == "ot", "pixel_auroc"] = np.nan
    means, _ = common_means(frame, ["image_auroc", "pixel_auroc"], "rd")
    assert np.isnan(means["ot"]["pixel_auroc"])
    assert means["rd"]["pixel_auroc"] == pytest.approx(means["rd"]["image_auroc"])


def test_undefined_values_are_no_pairs():
    frame = run_set(made()).frame()
    frame.loc[(frame.variant == "ot") & (frame.category == "c0"), "image_auroc"] = np.nan
    values, _ = pair(frame, "image_auroc", "rd", ["ot"])
    assert "c0" not in values["ot"]


def test_runs_that_share_no_cell():
    with pytest.raises(ConfigError, match="ot share no category and seed with the baseline rd"):
        compare_runs(run_set({("rd", "a", 1): 0.5, ("ot", "b", 1): 0.5, ("ot", "a", 2): 0.5}))


def test_one_seed_shows_the_difference_and_says_that_nothing_can_be_said():
    compared = compare_runs(run_set({(v, c, 1): 0.5 + (v == "ot") / 10 for v in ("rd", "ot") for c in "ab"}))
    (line,) = sentences(compared)
    assert line.startswith("ot against rd: image_auroc +10.00, pixel_auroc +10.00 with one seed. Nothing can be said")
    row = as_data(compared)["comparisons"][0]
    assert row["these_categories"]["verdict"] == row["new_categories"]["verdict"] == "not enough to tell"
    assert row["these_categories"]["low"] is None


def test_a_single_variant_an_unknown_baseline_an_unknown_metric():
    with pytest.raises(ConfigError, match=r"only one variant \(rd\) in made"):
        compare_runs(run_set({("rd", "a", 1): 0.5, ("rd", "a", 2): 0.5}))
    with pytest.raises(ConfigError, match="unknown baseline 'rdd', did you mean 'rd'"):
        compare_runs(run_set(made()), "rdd")
    with pytest.raises(ConfigError, match=r"unknown metric \(of these runs\) 'pixel_auro', did you mean 'pixel_auroc'"):
        compare_runs(run_set(made()), metrics=["pixel_auro"])


def test_means_weigh_categories_equally():
    values = {("rd", "a", 1): 0.2, ("rd", "a", 2): 0.4, ("rd", "b", 1): 0.9, ("rd", "b", 2): 0.9, ("rd", "b", 3): 0.9}
    values |= {("ot", c, s): v for (_, c, s), v in values.items()}
    assert compare_runs(run_set(values)).means["rd"]["image_auroc"] == pytest.approx(0.6)


def test_in_words():
    (line,) = sentences(compare_runs(run_set(made(0.05)), metrics=["image_auroc"]))
    higher = r"image_auroc higher \(\+\d\.\d\d\)"
    assert re.fullmatch(rf"ot against rd: on these 8 categories {higher}. On new categories {higher}.", line)
    (line,) = sentences(compare_runs(run_set(made(0.0005, categories=3, seed=1)), metrics=["image_auroc"]))
    assert "on these 3 categories image_auroc not enough to tell (minimum detectable effect " in line
    assert line.endswith(
        "On new categories not enough to tell: 3 categories can show nothing, 6 are the least that could."
    )
    (line,) = sentences(compare_runs(run_set(made(0.05, categories=1, seeds=3)), metrics=["image_auroc"]))
    assert "on this category not enough to tell: 3 pairs can show nothing, 6 are the least that could." in line
    assert line.endswith(
        "On new categories not enough to tell: 1 category can show nothing, 6 are the least that could."
    )


def test_the_plain_answer_is_that_of_the_test():
    def answer(values):
        return plain_answer(compare_runs(run_set(values)).comparisons, "Ours")

    figures = r"image_auroc \+\d\.\d\d points, p = 0\.0\d\d, pixel_auroc .* points, p = 0\.0\d\d"
    assert re.fullmatch(rf"Ours is better in image_auroc and pixel_auroc than rd \({figures}\)\.", answer(made(0.05)))
    assert answer(made(-0.05)).startswith("Ours is worse in image_auroc and pixel_auroc than rd (image_auroc -")
    assert answer(made(0.0005)).startswith("Ours is not shown to be better than rd (image_auroc +")
    few = "; 3 pairs can show nothing, 7 are the least that could)."
    assert answer(made(0.05, categories=1)).endswith(few)


def test_the_plain_answer_names_metrics_that_disagree():
    clear = Answer(9, 7, 0.1, 0.2, 0.01, 0.01, 0.1)
    both = [
        Comparison(metric, "x", "rd", {"a": effect}, 9, 9, 0.8, 0.7, clear, clear)
        for metric, effect in (("m", 0.1), ("n", -0.1))
    ]
    said = "It is better in m and worse in n than rd (m +10.00 points, p = 0.010, n -10.00 points, p = 0.010)."
    assert plain_answer(both, "It") == said


def test_the_table_and_the_data():
    compared = compare_runs(run_set(made()))
    table = comparison_table(compared, "image_auroc")
    assert list(table.columns[0].cells) == ["ot"]
    data = as_data(compared)
    assert json.loads(json.dumps(data)) == json.loads(json.dumps(data, allow_nan=False))
    row = data["comparisons"][0]
    assert (row["metric"], row["variant"], row["these_categories"]["verdict"]) == ("image_auroc", "ot", "higher")
    assert row["new_categories"]["low"] < row["difference"] < row["new_categories"]["high"]


def test_the_picture_has_a_panel_a_metric():
    one, two = (compare_runs(run_set(made()), metrics=m) for m in (["image_auroc"], ["image_auroc", "pixel_auroc"]))
    sizes = [Image.open(io.BytesIO(differences(c.comparisons))).size for c in (one, two)]
    assert sizes[1][0] > 1.4 * sizes[0][0]


def test_finding_by_name_id_and_query(small):
    _, store, parent = small
    by_name, by_id = find_runs(store, ["small"]), find_runs(store, [parent])
    assert by_name == by_id
    assert (by_name.kind, by_name.parent, by_name.baseline, by_name.variants) == (
        "ablation",
        parent,
        "rd",
        ("rd", "ot"),
    )
    query = find_runs(store, ["tags.ablation = 'small'"])
    assert (query.kind, query.parent, query.baseline) == ("runs", None, None)
    assert {run.run_id for run in query.runs} == {run.run_id for run in by_name.runs}
    by_seed = find_runs(store, ["small"], by="seed")
    assert by_seed.variants == ("1", "2")
    leaf = by_name.runs[0]
    assert [run.run_id for run in find_runs(store, [leaf.run_id]).runs] == [leaf.run_id]


def test_of_several_sources_the_newest_run_counts_whatever_their_order():
    old, new = (TrainedRun(f"{time}", "rd", "a", 1, {}, {}, {}, start_time=time) for time in (1, 2))
    sets = [RunSet("made", "runs", None, None, ("rd",), runs, ()) for runs in ((old,), (new,))]
    for order in (sets, sets[::-1]):
        runs, (note,) = _newest(order)
        assert runs == [new]
        assert note.endswith("are left out: rd a seed 1 (run 1)")
    assert _newest([sets[0], sets[0]]) == ([old], [])  # found by both
    of_today = RunSet(
        "made", "ablation", None, None, ("rd",), (old, new), ()
    )  # an ablation's first is of today's files
    assert _newest([of_today])[0] == [old]


def test_metrics_are_those_that_the_runs_have(small):
    assert compared_metrics(run_set(made()), None) == ("image_auroc", "pixel_auroc")
    with pytest.raises(ConfigError, match=r"unknown metric \(of these runs\) 'pixel_aupro'"):
        compared_metrics(run_set(made()), ["pixel_aupro"])
    assert main(["compare", "small", "--metrics", "image_aurok", "--last", "1", "--tracking-uri", small[1].uri]) == 2


def test_a_study_that_does_not_exist(small):
    with pytest.raises(ConfigError, match=r"unknown ablation or study .*'smal', did you mean 'small'"):
        find_runs(small[1], ["smal"])


def test_a_query_that_finds_nothing_or_is_none(small):
    with pytest.raises(ConfigError, match=r"no finished run in tags\.teacher = 'none'; let it run first"):
        find_runs(small[1], ["tags.teacher = 'none'"])
    with pytest.raises(ConfigError, match=r'the query "tugs\.x = 1 .*" cannot be answered'):
        find_runs(small[1], ["tugs.x = 1"])
    with pytest.raises(ConfigError, match="has no tag 'colour' to tell variants by; name another with --by"):
        find_runs(small[1], ["tags.ablation = 'small'"], by="colour")


@pytest.mark.parametrize("command", ["compare", "rescore"])
def test_json_is_alone_on_standard_output(small, capsys, printing_store, command):
    assert main([command, "small", "--tracking-uri", small[1].uri, "--json"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)
    assert "View run" in printed.err


def test_the_command_prints_tables_and_logs_them(small, capsys):
    _, store, parent = small
    uri = ["--tracking-uri", store.uri]
    assert main(["compare", "small", *uri, "--metrics", "image_auroc", "--published"]) == 0
    out = capsys.readouterr().out
    assert "ot against rd: on this category not enough to tell: 2 pairs can show nothing, 6 are the least" in out
    assert "RD++ (published)" in out
    assert "not paired" in out
    logged = {a.path for a in store.client.list_artifacts(parent, "compare")}
    assert logged == {"compare/compare.csv", "compare/compare.json", "compare/differences.png"}
    assert main(["compare", "tags.ablation = 'small'", "--baseline", "ot", *uri, "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["baseline"] == "ot"
    assert store.client.get_run(data["mlflow_run"]).data.tags["level"] == "comparison"
    path = store.client.download_artifacts(data["mlflow_run"], "compare/compare.csv")
    assert list(pd.read_csv(path)["variant"]) == ["rd"] * 3


def test_bad_input_is_one_line(small, capsys, tmp_path, write_ablation):
    uri = ["--tracking-uri", small[1].uri]
    (tmp_path / "odd.yaml").write_text(yaml.safe_dump([{"name": "x", "source": "y", "metrics": {"image_auro": 1}}]))
    cases = {
        ("compare", "smal"): "unknown ablation or study",
        ("compare", "small", "--baseline", "rt"): "unknown baseline 'rt'",
        ("compare", "small", "--published", str(tmp_path / "none.yaml")): "no file",
        ("compare", "small", "--published", str(tmp_path / "odd.yaml")): "unknown metric 'image_auro'",
        ("report", "smal"): "unknown ablation or study",
        ("report", "tags.ablation = 'small'"): "a report is of one study or ablation",
        ("rescore", "smal"): "unknown ablation or study",
        ("ablate", str(write_ablation(variants={"rd": {}, "x": {"noise.name": "simplx"}}))): "did you mean 'simplex'",
        ("ablate", str(write_ablation()), "--seeds", "1"): "at least two seeds",
    }
    for arguments, message in cases.items():
        assert main([*arguments, *uri]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("rdpp: ")
        assert message in line


def test_an_ablation_without_its_artifacts_says_how_it_can_be_read(small):
    _, store, _ = small
    store.start_run("bare", tags={"level": "ablation", "ablation": "bare"})
    message = r"bare has no ablation\.json among its artifacts: .* with the query .tags\.ablation = 'bare'"
    with pytest.raises(ConfigError, match=message):
        find_runs(store, ["bare"])


def test_an_ablation_of_an_older_version_says_how_it_can_be_read(small):
    _, store, _ = small
    old = store.start_run("old", tags={"level": "ablation", "ablation": "old"})
    store.client.log_dict(old, {"baseline": "rd", "cells": {"rd": ["0"]}}, "ablation.json")
    message = r"the ablation old was run by another version of rdpp \(schema 1, this one has 4\); run it again"
    with pytest.raises(ConfigError, match=message):
        find_runs(store, ["old"])


def test_an_ablation_and_runs_from_before_the_names_of_today_are_compared(small):
    """Under schema 3 metrics of the chosen epoch were called `chosen/NAME`."""
    _, store, _ = small
    parent = store.start_run("before", tags={"level": "ablation", "ablation": "before"})
    keys = {}
    for variant, value in (("rd", 0.5), ("ot", 0.625)):
        keys[variant] = [[f"{variant}{seed}"] * 2 for seed in (1, 2)]
        for seed in (1, 2):
            key = f"{variant}{seed}"
            own = {"level": "run", "schema": 3, "root": parent, "key": key, "key_training": key}
            run = store.start_run(key, tags={**own, "variant": variant, "category": "bolt", "seed": seed})
            logged = {"chosen/image_auroc": value, "chosen/held_out/image_auroc": 0.75, "chosen_epoch": 4}
            store.log_metrics(run, {**logged, "gradient_norm/projection/ssot": 0.25})
            store.end_run(run, "FINISHED", {})
    store.client.log_dict(parent, {"schema": 3, "baseline": "rd", "runs": keys}, "ablation.json")
    found = find_runs(store, ["before"])
    assert [run.metrics for run in found.by_variant()["ot"]] == [
        {"image_auroc": 0.625, "held_out/image_auroc": 0.75}
    ] * 2
    assert {run.logged["loss_gradient_norm/projection/ssot"] for run in found.runs} == {0.25}
    assert [c.difference for c in compare_runs(found).comparisons] == [0.125]


def test_a_run_of_a_newer_version_is_refused(new_store, tmp_path):
    store = Store(new_store(tmp_path / "mlflow.db"))  # whoever else reads such a store is refused too
    store.start_run("new", tags={"level": "newer", "schema": 5})
    with pytest.raises(ConfigError, match=r"was written by a newer rdpp \(schema 5, this one reads up to 4\)"):
        store.search("tags.level = 'newer'")
