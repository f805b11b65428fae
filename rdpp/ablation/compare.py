"""`rdpp compare`: from runs to what they say, as a table, CSV, JSON and a picture."""

import json
import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from rich import box
from rich.console import Console
from rich.table import Table

from rdpp.ablation.collect import Collection, collect
from rdpp.ablation.figures import differences
from rdpp.ablation.statistics import ALPHA, POWER, Answer, Comparison, Values, compare
from rdpp.config import ConfigError, choose, decode, require
from rdpp.metrics import METRICS
from rdpp.tracking import Store, output_console, percent

HEADLINE = ("image_auroc", "pixel_auroc", "pixel_aupro")


@dataclass(frozen=True)
class Published:
    """Figures from a paper, in per cent: a further row, never tested."""

    name: str
    source: str
    metrics: Mapping[str, float]

    def __post_init__(self) -> None:
        for metric in self.metrics:
            choose(metric, METRICS, "metric")


@dataclass(frozen=True)
class Compared:
    """All that a comparison says."""

    collection: Collection
    baseline: str
    metrics: tuple[str, ...]
    comparisons: tuple[Comparison, ...]
    means: Mapping[str, Mapping[str, float]]
    """By variant and metric. Means over categories of the means over all seeds."""
    published: tuple[Published, ...]
    notes: tuple[str, ...]

    def of(self, metric: str) -> list[Comparison]:
        """The comparisons in one metric."""
        return [c for c in self.comparisons if c.metric == metric]


def run_compare(
    sources: Sequence[str],
    *,
    baseline: str | None = None,
    metrics: Sequence[str] | None = None,
    by: str | None = None,
    published: Path | None = None,
    tracking_uri: str | None = None,
    as_json: bool = False,
) -> None:
    """Compare, print, and log the comparison to the parent run, or to a run of its own for a query.

    Raises:
        ConfigError: what a user can mend.
    """
    store = Store(tracking_uri)
    compared = compare_runs(collect(store, sources, by), baseline, metrics, read_published(published))
    run_id = log_comparison(store, compared)
    if as_json:
        print(json.dumps({"mlflow_run": run_id, **as_data(compared)}, indent=1))
    else:
        print_comparison(compared, output_console())


def compare_runs(
    collection: Collection,
    baseline: str | None = None,
    metrics: Sequence[str] | None = None,
    published: Sequence[Published] = (),
) -> Compared:
    """Pair every variant's runs with the baseline's, by category and seed, and compare.

    Raises:
        ConfigError: an unknown baseline or metric, runs that share no cell, or a single seed.
    """
    baseline = baseline or collection.baseline or collection.variants[0]
    choose(baseline, collection.variants, "baseline")
    frame = collection.frame()
    known = [name for name in frame.columns if name.removeprefix("held_out/") in METRICS]
    for name in metrics or ():
        choose(name, known, "metric (of these runs)")
    names = tuple(metrics or (name for name in HEADLINE if name in known))
    others = [name for name in collection.variants if name != baseline]
    require(len(others) > 0, f"only one variant ({baseline}) in {collection.title}; comparing needs two")
    notes = list(collection.notes)
    comparisons: list[Comparison] = []
    for metric in names:
        values, left_out = pair(frame, metric, baseline, others)
        notes += [note for note in left_out if note not in notes]
        comparisons += compare(metric, baseline, values)
    means = category_means(frame, names)
    means = {name: means[name] for name in collection.variants}
    return Compared(collection, baseline, names, tuple(comparisons), means, tuple(published), tuple(notes))


def pair(frame: pd.DataFrame, metric: str, baseline: str, others: Sequence[str]) -> tuple[Values, list[str]]:
    """The values of every variant beside the baseline's, and what had to be left out.

    Raises:
        ConfigError: no variant shares two seeds of a category with the baseline.
    """
    table = frame.pivot(index=["category", "seed"], columns="variant", values=metric)
    values: dict[str, dict[str, np.ndarray]] = {}
    notes: list[str] = []
    most = 0
    for name in others:
        both = table[[name, baseline]].dropna()
        groups = {str(category): group.to_numpy() for category, group in both.groupby(level="category")}
        most = max([most, *map(len, groups.values())])
        enough = {category: pairs for category, pairs in groups.items() if len(pairs) >= 2}
        short = [f"{category} ({len(pairs)} seed)" for category, pairs in groups.items() if len(pairs) < 2]
        if short and enough:
            notes.append(f"{name}: left out for lack of a second seed: {', '.join(short)}")
        if enough:
            values[name] = enough
        elif most != 1:
            notes.append(f"{name} shares no two seeds of a category with {baseline}; it is left out")
    if not values and most == 0:
        raise ConfigError(
            f"{', '.join(others)} share no category and seed with the baseline {baseline}; "
            "train them on the same categories and seeds, or name another with --baseline"
        )
    require(
        bool(values),
        f"one seed a category is shared with the baseline {baseline}; pairs of at least two seeds are needed to "
        "tell a difference from chance (--seeds 1,2,3)",
    )
    return values, notes


def category_means(frame: pd.DataFrame, names: Sequence[str]) -> dict[str, dict[str, float]]:
    """By variant and column: the mean over categories of the means over seeds."""
    by_category = frame.groupby(["variant", "category"])[list(names)].mean()
    table = by_category.groupby("variant").mean()
    return {str(variant): {name: float(row[name]) for name in names} for variant, row in table.iterrows()}


def read_published(path: Path | None) -> list[Published]:
    """Published figures from a YAML list.

    Raises:
        ConfigError: no such file, or not such a list.
    """
    if path is None:
        return []
    if not path.is_file():
        raise ConfigError(f"no file {path}; give a YAML list of name, source and metrics")
    try:
        return list(decode(tuple[Published, ...], yaml.safe_load(path.read_text()), str(path)))
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not YAML: {' '.join(str(error).split())}") from None


def sentences(compared: Compared) -> list[str]:
    """What the comparison says in words, a line a variant."""
    variants = list(dict.fromkeys(c.variant for c in compared.comparisons))
    lines = []
    for variant in variants:
        own = [c for c in compared.comparisons if c.variant == variant]
        here = ", ".join(_clause(c, c.here) for c in own)
        beyond = ", ".join(_clause(c, c.beyond) for c in own)
        count = len(own[0].by_category)
        if all(c.beyond.detectable >= 1 and not c.beyond.sure for c in own):
            beyond = f"not enough to tell: {count} categories can show nothing"
            if count < least_categories(len(variants)):
                beyond += f", {least_categories(len(variants))} are the least that could"
        lines.append(
            f"{variant} against {compared.baseline}: on these {count} categories {here}. On new ones {beyond}."
        )
    return lines


def _clause(comparison: Comparison, answer: Answer) -> str:
    verdict = comparison.verdict(answer)
    if answer.sure:
        return f"{comparison.metric} {verdict} ({_signed(comparison.difference)})"
    reach = "" if answer.detectable >= 1 else f" (shows from {percent(answer.detectable)})"
    return f"{comparison.metric} {verdict}{reach}"


def least_categories(variants: int) -> int:
    """How many categories a signed-rank test needs at least, after Holm's correction over the variants."""
    return next(n for n in range(1, 99) if 2.0 ** (1 - n) < ALPHA / variants)


def print_comparison(compared: Compared, console: Console) -> None:
    """Tables, one a metric, and under them what they say in words."""
    for metric in compared.metrics:
        console.print(comparison_table(compared, metric))
    for line in sentences(compared):
        console.print(line, highlight=False, soft_wrap=True)
    for published in compared.published:
        console.print(f"published: {published.name}: {published.source}", highlight=False, soft_wrap=True)
    for note in compared.notes:
        console.print(f"note: {note}", highlight=False, soft_wrap=True)


def comparison_table(compared: Compared, metric: str) -> Table:
    """The baseline, each variant beside it, and published figures, in per cent."""
    found = compared.of(metric)
    pairs = sorted({c.pairs for c in found})
    counted = f"{pairs[0]} to {pairs[-1]}" if len(pairs) > 1 else f"{pairs[0]}"
    title = f"{metric}: against {compared.baseline}, points; {counted} pairs a variant, 95 % intervals, p after Holm"
    table = Table(title=title, box=box.SIMPLE_HEAD, pad_edge=False)
    headers = ["variant", "mean", "difference", "these\ncategories", "p", "shows\nfrom"]
    headers += ["new\ncategories", "p", "shows\nfrom", "won/tied/lost\ncategories"]
    for header in headers:
        table.add_column(header, justify="left" if header == "variant" else "right", no_wrap=True)
    table.add_row(compared.baseline, percent(compared.means[compared.baseline][metric]))
    for c in found:
        row = [c.variant, percent(compared.means[c.variant][metric]), _signed(c.difference)]
        for answer in (c.here, c.beyond):
            mark = "*" if answer.sure else ""
            row += [_interval(answer), f"{answer.p_holm:.3f}{mark}", _size(answer.detectable)]
        table.add_row(*row, "/".join(map(str, c.wins_ties_losses)))
    for published in compared.published:
        if metric in published.metrics:
            value = published.metrics[metric]
            difference = value - 100 * compared.means[compared.baseline][metric]
            table.add_row(f"{published.name} (published)", f"{value:.2f}", f"{difference:+.2f}", "not paired")
    return table


def as_data(compared: Compared) -> dict[str, Any]:
    """The comparison for a program: fractions, not per cent; null where undefined or infinite."""
    rows = []
    for c in compared.comparisons:
        row = {k: v for k, v in asdict(c).items() if k not in ("here", "beyond")}
        row["difference"], row["wins_ties_losses"] = c.difference, c.wins_ties_losses
        for name, answer in (("these_categories", c.here), ("new_categories", c.beyond)):
            row[name] = {k: v if math.isfinite(v) else None for k, v in asdict(answer).items()}
            row[name]["verdict"] = c.verdict(answer)
        rows.append(row)
    return {
        "title": compared.collection.title,
        "baseline": compared.baseline,
        "alpha": ALPHA,
        "power": POWER,
        "means": compared.means,
        "comparisons": rows,
        "sentences": sentences(compared),
        "published": [asdict(p) for p in compared.published],
        "notes": list(compared.notes),
    }


def as_csv(compared: Compared) -> str:
    """One row a comparison."""
    return pd.json_normalize(as_data(compared)["comparisons"]).to_csv(index=False)


def log_comparison(store: Store, compared: Compared) -> str:
    """Log table, data and picture under `compare/` of the parent run.

    Returns:
        The run's id; a query, that has no parent, gets a run of its own.
    """
    parent = compared.collection.parent
    if parent is not None:
        _log(store, parent, compared)
        return parent
    with store.run(f"compare {compared.collection.title}"[:200], tags={"level": "comparison"}) as run_id:
        _log(store, run_id, compared)
    return run_id


def _log(store: Store, run_id: str, compared: Compared) -> None:
    store.client.log_dict(run_id, as_data(compared), "compare/compare.json")
    store.client.log_text(run_id, as_csv(compared), "compare/compare.csv")
    with tempfile.TemporaryDirectory(prefix="rdpp-") as scratch:
        path = Path(scratch) / "differences.png"
        path.write_bytes(differences(compared.comparisons))
        store.client.log_artifact(run_id, str(path), "compare")


def _signed(value: float) -> str:
    return f"{100 * value:+.2f}"


def _interval(answer: Answer) -> str:
    return "-" if math.isnan(answer.low) else f"{100 * answer.low:+.2f} {100 * answer.high:+.2f}"


def _size(value: float) -> str:
    return "never" if value >= 1 else percent(value)
