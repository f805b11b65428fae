"""The tables of docs/results.md have the figures of the results that are recorded beside it."""

import dataclasses
import re
from pathlib import Path

import pytest

from rdpp.comparison.pairing import HEADLINE, compare_runs
from rdpp.comparison.search import find_runs
from rdpp.tracking.store.client import Store
from rdpp.tracking.upkeep.exchange import import_runs

DOCS = Path(__file__).parents[2] / "docs"
NOT_LOOKED_AT = ("metal_plate", "pill", "road_crack", "transistor")
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


def cells(compared, variant, told):
    """What a variant's row must say: for each metric its mean, and how far it lies from plain RD."""
    found = []
    for metric, difference in zip(HEADLINE, told[1::2], strict=False):
        if variant == "rd":
            # beside a variant that misses a run, the baseline is without it too
            most = next(one for one in compared if (one.variant, one.metric) == ("released", metric))
            found += [f"{100 * most.baseline_mean:.1f}", ""]
            continue
        one = next(one for one in compared if (one.variant, one.metric) == (variant, metric))
        answer, p = one.these_categories, re.search(r" p 0[.](\d+)$", difference)
        interval = f"({100 * answer.low:.1f}, {100 * answer.high:.1f})"
        certainty = f" p {answer.p_corrected:.{len(p[1])}f}" if p else ""
        found += [f"{100 * one.variant_mean:.1f}", f"{100 * one.difference:+.1f} {interval}{certainty}"]
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("section", "heading", "ablation", "names", "categories"),
    [
        ("What helps?", "variant", "real-ablation", PHOTOGRAPHS, None),
        ("Learning where", "means of 8 categories and 2 seeds", "photographs-hard", HARD, None),
        ("Learning where", "the four categories that were not looked at", "photographs-hard", HARD, NOT_LOOKED_AT),
    ],
)
def test_a_table_has_the_figures_of_the_recorded_results(results, section, heading, ablation, names, categories):
    found = find_runs(results, [f"tags.ablation = '{ablation}'"])
    if categories:
        found = dataclasses.replace(found, runs=[run for run in found.runs if run.category in categories])
    compared = compare_runs(found, "rd").comparisons
    _, told = rows(section, heading)
    expected = {name: cells(compared, variant, told[name]) for name, variant in names.items()}
    assert {name: row[: 2 * len(HEADLINE)] for name, row in told.items()} == expected


@pytest.mark.slow
@pytest.mark.parametrize(
    ("section", "heading", "ablation", "names"),
    [
        (
            "What helps?",
            "variant | bottle",
            "real-ablation",
            {"transport (Sinkhorn)": "ot", "noise": "noise", "released": "released", "every term alive": "alive"},
        ),
        (
            "Learning where",
            "image AUROC, mean of 2 seeds",
            "photographs-hard",
            {"hard distillation less plain RD": "hard"},
        ),
    ],
)
def test_a_table_by_category_has_the_figures_of_the_recorded_results(results, section, heading, ablation, names):
    compared = compare_runs(find_runs(results, [f"tags.ablation = '{ablation}'"]), "rd", ["image_auroc"]).comparisons
    differences = {one.variant: one.by_category for one in compared}
    categories, told = rows(section, heading)
    for name, variant in names.items():
        assert told[name] == [f"{100 * differences[variant][category]:+.1f}" for category in categories], name
