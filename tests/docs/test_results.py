"""The tables of docs/results.md have the figures of the ablations that are recorded beside it."""

import dataclasses
import importlib
import re
from pathlib import Path

import numpy as np
import pytest

from rdpp.comparison.pairing import HEADLINE, compare_runs
from rdpp.comparison.search import find_runs
from rdpp.tracking.store.mlflow_store import Store
from rdpp.tracking.upkeep.exchange import import_runs

DOCS = Path(__file__).parents[2] / "docs"
NOT_LOOKED_AT = ("metal_plate", "pill", "road_crack", "transistor")
JUDGED = {
    "plain RD": "rd",
    "plain RD, averaged weights": "rd-average",
    "hard distillation, averaged weights": "hard",
    "the first search's best, with denoising": "denoising",
    "the second search's best, with RD++'s terms": "tuned",
    "RD++ as released": "released",
}
AT_256 = {name: JUDGED[name] for name in JUDGED if JUDGED[name] in ("rd", "hard", "denoising")}
HARD = {"plain RD": "rd", "RD++ as released": "released", "hard distillation": "hard"}
PHOTOGRAPHS = {
    "plain RD": "rd",
    "projection, no further loss": "projection",
    "transport (Sinkhorn), no noise": "ot",
    "transport (sliced Wasserstein), no noise": "ot-sliced",
    "noise, no transport": "noise",
    "released noise and terms": "released",
    "every term alive": "alive",
}

LONG = {name: PHOTOGRAPHS[name] for name in PHOTOGRAPHS if PHOTOGRAPHS[name] != "ot"} | {"hard distillation": "hard"}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """A store with all recorded runs."""
    store = Store(f"sqlite:///{tmp_path_factory.mktemp('results')}/runs.db")
    for file in sorted((DOCS / "results").glob("*.jsonl.gz")):
        import_runs(store, file)
    return store


def rows(section, heading):
    """The table of a section that begins with this heading: its other headings, and each row's cells by the first."""
    text = (DOCS / "results.md").read_text().partition(f"\n## {section}")[2].partition("\n## ")[0]
    lines = (f"| {heading} |" + text.partition(f"| {heading} |")[2].partition("\n\n")[0]).splitlines()
    header, _, *body = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return header[1:], {name: rest for name, *rest in body}


def shown(comparison, told):
    """A difference with its interval, and with p where the page has it."""
    answer, p = comparison.these_categories, re.search(r" p 0[.](\d+)$", told)
    interval = f"({100 * answer.low:.1f}, {100 * answer.high:.1f})"
    certainty = f" p {answer.p_corrected:.{len(p[1])}f}" if p or answer.p_corrected < 0.05 else ""
    return f"{100 * comparison.difference:+.1f} {interval}{certainty}"


def cells(compared, variant, told):
    """What a variant's row must say: for each metric its mean, and how far it lies from plain RD."""
    found = []
    for metric, difference in zip(HEADLINE, told[1::2], strict=False):
        of_metric = [one for one in compared if one.metric == metric and variant in ("rd", one.variant)]
        # beside a variant that misses a run, the baseline is without it too
        one = max(of_metric, key=lambda one: one.pairs)
        mean = one.baseline_mean if variant == "rd" else one.variant_mean
        found += [f"{100 * mean:.1f}", "" if variant == "rd" else shown(one, difference)]
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("section", "heading", "ablation", "names", "categories"),
    [
        ("What helps?", "variant", "real-ablation", PHOTOGRAPHS, None),
        ("Learning where", "means of 8 categories and 2 seeds", "photographs-hard", HARD, None),
        ("Learning where", "the four categories that were not looked at", "photographs-hard", HARD, NOT_LOOKED_AT),
        ("A search", "means of 4 categories and 3 seeds", "photographs-judged", JUDGED, None),
        ("A search", "256 x 256, means of 4 categories and 3 seeds", "photographs-256", AT_256, None),
        ("What helps after", "means of 8 categories and 2 seeds, 600 steps", "photographs-600", LONG, None),
    ],
)
def test_a_table_has_the_figures_of_the_recorded_results(results, section, heading, ablation, names, categories):
    found = find_runs(results, [f"tags.ablation = '{ablation}'"])
    if categories:
        found = dataclasses.replace(found, runs=[run for run in found.runs if run.category in categories])
    variants = tuple(name for name in found.variants if name in names.values())
    found = dataclasses.replace(found, variants=variants, runs=[run for run in found.runs if run.variant in variants])
    compared = compare_runs(found, "rd").comparisons
    _, told = rows(section, heading)
    expected = {name: cells(compared, variant, told[name]) for name, variant in names.items()}
    assert {name: row[: 2 * len(HEADLINE)] for name, row in told.items()} == expected


@pytest.mark.slow
@pytest.mark.parametrize(
    ("section", "heading", "row", "ablation", "variant", "baseline", "metric"),
    [
        ("What helps?", "variant | bottle", "transport (Sinkhorn)", "real-ablation", "ot", "rd", "image_auroc"),
        ("What helps?", "variant | bottle", "noise", "real-ablation", "noise", "rd", "image_auroc"),
        ("What helps?", "variant | bottle", "released", "real-ablation", "released", "rd", "image_auroc"),
        ("What helps?", "variant | bottle", "every term alive", "real-ablation", "alive", "rd", "image_auroc"),
        *(
            ("What helps after", "image AUROC, less plain RD", row, "photographs-600", variant, "rd", "image_auroc")
            for row, variant in (
                ("hard distillation", "hard"),
                ("projection", "projection"),
                ("noise", "noise"),
                ("released", "released"),
                ("every term alive", "alive"),
            )
        ),
        *(
            (
                "Learning where",
                "mean of 2 seeds",
                f"{words}, hard distillation less {other}",
                "photographs-hard",
                "hard",
                baseline,
                metric,
            )
            for words, other, baseline, metric in (
                ("image AUROC", "plain RD", "rd", "image_auroc"),
                ("pixel AUROC", "plain RD", "rd", "pixel_auroc"),
                ("AU-PRO 0.3", "plain RD", "rd", "pixel_aupro"),
                ("image AUROC", "released", "released", "image_auroc"),
            )
        ),
        *(
            (
                "A search",
                "mean of 3 seeds",
                f"{words}, hard distillation less plain RD",
                "photographs-judged",
                "hard",
                "rd",
                metric,
            )
            for words, metric in (
                ("image AUROC", "image_auroc"),
                ("pixel AUROC", "pixel_auroc"),
                ("AU-PRO 0.3", "pixel_aupro"),
            )
        ),
    ],
)
def test_a_row_by_category_has_the_figures_of_the_recorded_results(
    results, section, heading, row, ablation, variant, baseline, metric
):
    compared = compare_runs(find_runs(results, [f"tags.ablation = '{ablation}'"]), baseline, [metric]).comparisons
    (by_category,) = [one.by_category for one in compared if one.variant == variant]
    categories, told = rows(section, heading)
    assert told[row] == [f"{100 * by_category[category]:+.1f}" for category in categories]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("section", "heading", "ablation", "other"),
    [
        (
            "Learning where",
            "hard distillation, epochs chosen without the test images, against released",
            "photographs-hard",
            "released",
        ),
        (
            "A search",
            "hard distillation, last epoch, against `released-audited`",
            "photographs-judged",
            "released-audited",
        ),
    ],
)
def test_the_judgement_by_epochs_has_the_figures_of_the_recorded_results(
    results, monkeypatch, section, heading, ablation, other
):
    monkeypatch.syspath_prepend(DOCS.parent / "scripts" / "studies")
    judged = importlib.import_module("judged")
    found = find_runs(results, [f"tags.ablation = '{ablation}'"])
    _, told = rows(section, heading)
    for name, row in told.items():
        wanted = NOT_LOOKED_AT if name.startswith("the four") else {run.category for run in found.runs}
        way = judged.CHOSEN["on the test images" in name]
        compared = judged.judge(results, found, "hard", other, wanted)
        of_way = {one.metric: one for one in compared if one.variant == way}
        others = ", ".join(f"{100 * of_way[metric].baseline_mean:.1f}" for metric in HEADLINE)
        assert name.endswith(f"({others})"), (name, others)
        assert row == [shown(of_way[metric], cell) for metric, cell in zip(HEADLINE, row, strict=True)]


@pytest.mark.slow
def test_the_noises_have_the_figures_of_the_recorded_results(results):
    noises = {"simplex, a new field for each image": "simplex", "CutPaste": "cutpaste"}
    compared = compare_runs(find_runs(results, ["tags.ablation = 'photographs-noises'"]), "rd").comparisons
    _, told = rows("Which pseudo-anomaly?", "means of 2 categories and 2 seeds")
    for name, row in told.items():
        variant = noises.get(name, name.lower())
        of_metric = [one for metric in HEADLINE for one in compared if one.metric == metric]
        if name == "plain RD":
            means = [one.baseline_mean for one in of_metric if one.variant == "simplex"]
            expected = [cell for mean in means for cell in (f"{100 * mean:.1f}", "")] + [""]
        else:
            own = [one for one in of_metric if one.variant == variant]
            expected = [
                cell for one in own for cell in (f"{100 * one.variant_mean:.1f}", f"{100 * one.difference:+.1f}")
            ]
            expected.append(", ".join(f"{100 * own[0].by_category[name]:+.1f}" for name in ("metal_plate", "pill")))
        assert row == expected, name


@pytest.mark.slow
def test_the_searches_have_the_objectives_of_the_recorded_results(results):
    _, told = rows("A search", "search")
    for study, (name, row) in zip(("photographs-search", "photographs-search-rdpp"), told.items(), strict=True):
        assert name.startswith(f"`{study.removeprefix('photographs-')}`: ")
        by_trial = {}
        for run in find_runs(results, [f"tags.study = '{study}'"], by="trial").runs:
            by_trial.setdefault(run.variant, []).append(np.mean([run.metrics[metric] for metric in HEADLINE]))
        whole = {trial: f"{100 * np.mean(values):.1f}" for trial, values in by_trial.items() if len(values) == 4}
        assert row[0].startswith(f"{len(whole)}, ")
        assert row[1:] == [f"{min(whole.values())} to {max(whole.values())}", whole["trial-000"]]
