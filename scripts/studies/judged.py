"""A variant whose epochs are chosen without the test set, beside another whose epochs are chosen on it.

    python scripts/studies/judged.py photographs-hard --variant hard --against released --categories pill,transistor

The variant's runs count with their last epoch, or with the one that the held-out images chose. The other's count twice:
with the epoch that was chosen in the same way, and with the one that the released code would keep, the best on the test
images (which flatters it). Its runs must have been evaluated there in every epoch: with `evaluation.audit: true`, or
without held-out images. The table tells both differences, tested as `rdpp compare` tests them for these categories.
"""

import argparse
import sys
from collections.abc import Collection, Sequence

import numpy as np
from rich.table import Table

from rdpp.cli import exit_code_of
from rdpp.comparison.pairing import HEADLINE
from rdpp.comparison.search import RunSet, TrainedRun, find_runs
from rdpp.comparison.statistics import Comparison, compare
from rdpp.config import ConfigError, choose
from rdpp.display.console import output_console
from rdpp.engine.selection import OFFICIAL_METRICS, official_value
from rdpp.tracking.reading.finished import evaluations_on_test
from rdpp.tracking.store.mlflow_store import Store

CHOSEN = ("what chose the variant's", "the test images")


def main() -> None:
    """Find the runs and print the table."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("ablation", help="its name, the id of its MLflow run, or a query of MLflow's")
    parser.add_argument("--variant", required=True, help="whose epochs are chosen without the test images")
    parser.add_argument("--against", default="released", help="the other (%(default)s)")
    parser.add_argument("--categories", help="such as pill,transistor; by default all")
    parser.add_argument("--tracking-uri", help="MLflow store; by default sqlite in ./runs")
    options = parser.parse_args()
    store = Store(options.tracking_uri, create=False)
    found = find_runs(store, [options.ablation])
    categories = options.categories.split(",") if options.categories else sorted({run.category for run in found.runs})
    compared = judge(store, found, options.variant, options.against, categories)
    output_console().print(_table(f"{options.variant} against {options.against}; {', '.join(categories)}", compared))


def judge(
    store: Store, found: RunSet, variant: str, against: str, categories: Collection[str]
) -> tuple[Comparison, ...]:
    """The variant against the other in each of CHOSEN, which the comparisons have as their variants."""
    for name in (variant, against):
        choose(name, found.variants, "variant")
    runs = {
        name: {(run.category, run.seed): run for run in of if run.category in categories}
        for name, of in found.by_variant().items()
    }
    own, other = runs[variant], runs[against]
    pairs = sorted(own.keys() & other.keys())
    looked = {pair: chosen_on_test(store, other[pair]) for pair in pairs}
    values = {
        metric: {
            CHOSEN[0]: _by_category(pairs, [(own[p].metrics[metric], other[p].metrics[metric]) for p in pairs]),
            CHOSEN[1]: _by_category(pairs, [(own[p].metrics[metric], looked[p][metric]) for p in pairs]),
        }
        for metric in HEADLINE
    }
    return tuple(compare(against, values))


def chosen_on_test(store: Store, run: TrainedRun) -> dict[str, float]:
    """Metrics of the epoch that is best on the test images by the released rule."""
    names = {*HEADLINE, *OFFICIAL_METRICS}
    epochs = [{name: of[name] for name in names} for _, of in evaluations_on_test(store, run.run_id)]
    epochs = [found for found in epochs if not np.isnan(list(found.values())).any()]
    if not epochs:
        raise ConfigError(f"the run {run.run_id} has no epochs on the test images; set evaluation.audit to true")
    return max(epochs, key=official_value)


def _by_category(pairs: Sequence[tuple[str, int]], values: Sequence[tuple[float, float]]) -> dict[str, np.ndarray]:
    found: dict[str, list[tuple[float, float]]] = {}
    for (category, _), value in zip(pairs, values, strict=True):
        found.setdefault(category, []).append(value)
    return {category: np.array(of) for category, of in found.items()}


def _table(title: str, comparisons: Sequence[Comparison]) -> Table:
    table = Table(title=f"{title}; per cent")
    texts = ("metric", "the other's epochs chosen on", "by category")
    for name in (*texts[:2], "variant", "other", "difference", "interval", "p", texts[2]):
        table.add_column(name, justify="left" if name in texts else "right")
    for one in comparisons:
        answer = one.these_categories
        by_category = ", ".join(f"{name} {100 * value:+.1f}" for name, value in one.by_category.items())
        table.add_row(
            one.metric,
            one.variant,
            f"{100 * one.variant_mean:.1f}",
            f"{100 * one.baseline_mean:.1f}",
            f"{100 * one.difference:+.1f}",
            "-" if np.isnan(answer.low) else f"{100 * answer.low:+.1f} to {100 * answer.high:+.1f}",
            f"{answer.p_corrected:.3f}",
            by_category,
        )
    return table


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
