"""A comparison in words, as tables, and for programs."""

import math
from dataclasses import asdict
from typing import Any

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table

from rdpp.comparison.pairing import Compared
from rdpp.comparison.statistics import ALPHA, POWER, Answer, Comparison
from rdpp.display.console import percent


def sentences(compared: Compared) -> list[str]:
    """What the comparison says in words, a line a variant."""
    variants = list(dict.fromkeys(c.variant for c in compared.comparisons))
    lines = []
    for variant in variants:
        own = [c for c in compared.comparisons if c.variant == variant]
        these = ", ".join(_clause(c, c.these_categories) for c in own)
        new = ", ".join(_clause(c, c.new_categories) for c in own)
        count = len(own[0].by_category)
        if all(c.new_categories.minimum_detectable_effect >= 1 and not c.new_categories.sure for c in own):
            new = f"not enough to tell: {count} categories can show nothing"
            if count < least_categories(len(variants)):
                new += f", {least_categories(len(variants))} are the least that could"
        lines.append(
            f"{variant} against {compared.baseline}: on these {count} categories {these}. On new categories {new}."
        )
    return lines


def _clause(comparison: Comparison, answer: Answer) -> str:
    verdict = comparison.verdict(answer)
    if answer.sure:
        return f"{comparison.metric} {verdict} ({_signed(comparison.difference)})"
    effect = answer.minimum_detectable_effect
    reach = "" if effect >= 1 else f" (minimum detectable effect {percent(effect)})"
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
    title = (
        f"{metric}: against {compared.baseline}, points; {counted} pairs a variant, 95 % intervals, p after Holm, "
        "MDE = minimum detectable effect"
    )
    table = Table(title=title, box=box.SIMPLE_HEAD, pad_edge=False)
    headers = ["variant", "mean", "difference", "these\ncategories", "p", "MDE"]
    headers += ["new\ncategories", "p", "MDE", "won/tied/lost\ncategories"]
    for header in headers:
        table.add_column(header, justify="left" if header == "variant" else "right", no_wrap=True)
    table.add_row(compared.baseline, percent(compared.means[compared.baseline][metric]))
    for c in found:
        row = [c.variant, percent(compared.means[c.variant][metric]), _signed(c.difference)]
        for answer in (c.these_categories, c.new_categories):
            mark = "*" if answer.sure else ""
            row += [_interval(answer), f"{answer.p_holm:.3f}{mark}", _size(answer.minimum_detectable_effect)]
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
        row = {k: v for k, v in asdict(c).items() if k not in ("these_categories", "new_categories")}
        row["difference"], row["wins_ties_losses"] = c.difference, c.wins_ties_losses
        for name, answer in (("these_categories", c.these_categories), ("new_categories", c.new_categories)):
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


def _signed(value: float) -> str:
    return f"{100 * value:+.2f}"


def _interval(answer: Answer) -> str:
    return "-" if math.isnan(answer.low) else f"{100 * answer.low:+.2f} {100 * answer.high:+.2f}"


def _size(value: float) -> str:
    return "never" if value >= 1 else percent(value)
