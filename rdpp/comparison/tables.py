"""A comparison in words, as tables, and for programs."""

import math
from collections.abc import Sequence
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
    lines = []
    by_variant: dict[str, list[Comparison]] = {}
    for c in compared.comparisons:
        by_variant.setdefault(c.variant, []).append(c)
    for variant, own in by_variant.items():
        start = f"{variant} against {compared.baseline}:"
        if own[0].seeds < 2:
            raw = ", ".join(f"{c.metric} {_signed(c.difference)}" for c in own)
            lines.append(f"{start} {raw} with one seed. Nothing can be said: train it with at least two (--seeds 1,2).")
            continue
        these = _answered(own, [c.these_categories for c in own], "pair", "pairs")
        new = _answered(own, [c.new_categories for c in own], "category", "categories")
        count = len(own[0].by_category)
        where = "this category" if count == 1 else f"these {count} categories"
        lines.append(f"{start} on {where} {these}. On new categories {new}.")
    return lines


def plain_answer(comparisons: Sequence[Comparison], variant: str) -> str:
    """Whether one variant is better than the baseline on these categories, in one sentence.

    Args:
        comparisons: of this variant alone, one a metric.
        variant: what the sentence calls it.
    """
    found = {c.metric: c.verdict(c.these_categories) for c in comparisons}
    higher, lower = ([name for name, verdict in found.items() if verdict == word] for word in ("higher", "lower"))
    told = [f"{word} in {' and '.join(names)}" for word, names in (("better", higher), ("worse", lower)) if names]
    says = f"is {' and '.join(told)}" if told else "is not shown to be better"
    first = comparisons[0].these_categories
    figures = ", ".join(
        f"{c.metric} {_signed(c.difference)} points, p = {c.these_categories.p_corrected:.3f}" for c in comparisons
    )
    few = f"; {first.units} pairs can show nothing, {first.least} are the least that could"
    return f"{variant} {says} than {comparisons[0].baseline} ({figures}{few if first.units < first.least else ''})."


def _answered(comparisons: Sequence[Comparison], answers: Sequence[Answer], unit: str, units: str) -> str:
    """One question in every metric."""
    first = answers[0]
    if all(answer.units < answer.least for answer in answers):
        counted = f"{first.units} {unit if first.units == 1 else units}"
        return f"not enough to tell: {counted} can show nothing, {first.least} are the least that could"
    return ", ".join(_clause(c, answer) for c, answer in zip(comparisons, answers, strict=True))


def _clause(comparison: Comparison, answer: Answer) -> str:
    verdict = comparison.verdict(answer)
    if answer.sure:
        return f"{comparison.metric} {verdict} ({_signed(comparison.difference)})"
    effect = answer.minimum_detectable_effect
    reach = f" (minimum detectable effect {percent(effect)})" if effect < 1 else ""
    return f"{comparison.metric} {verdict}{reach}"


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
    counted = f"{pairs[0]} to {pairs[-1]}" if len(pairs) > 1 else f"{pairs[0]}" if pairs else "no"
    title = (
        f"{metric}: against {compared.baseline}, points; {counted} pairs a variant; means of the pairs; intervals and "
        f"p corrected over {len(compared.comparisons)} comparisons; MDE = minimum detectable effect"
    )
    table = Table(title=title, box=box.SIMPLE_HEAD, pad_edge=False)
    headers = ["variant", "mean", f"mean of\n{compared.baseline}", "difference", "these\ncategories", "p", "MDE"]
    headers += ["new\ncategories", "p", "MDE", "won/tied/lost\ncategories"]
    for header in headers:
        table.add_column(header, justify="left" if header == "variant" else "right", no_wrap=True)
    for c in found:
        row = [c.variant, percent(c.variant_mean), percent(c.baseline_mean), _signed(c.difference)]
        for answer in (c.these_categories, c.new_categories):
            mark = "*" if answer.sure else ""
            row += [_interval(answer), f"{answer.p_corrected:.3f}{mark}", _size(answer.minimum_detectable_effect)]
        table.add_row(*row, "/".join(map(str, c.wins_ties_losses)))
    for published in compared.published:
        if metric in published.metrics:
            table.add_row(f"{published.name} (published)", f"{published.metrics[metric]:.2f}", "", "not paired")
    return table


def as_data(compared: Compared) -> dict[str, Any]:
    """The comparison for a program: fractions, not per cent; null where undefined or infinite."""
    rows = []
    for c in compared.comparisons:
        row = {k: v for k, v in asdict(c).items() if k not in ("these_categories", "new_categories")}
        row["difference"], row["wins_ties_losses"] = c.difference, c.wins_ties_losses
        for name, answer in (("these_categories", c.these_categories), ("new_categories", c.new_categories)):
            row[name] = {k: _number(v) for k, v in asdict(answer).items()}
            row[name]["verdict"] = c.verdict(answer)
        rows.append(row)
    return {
        "title": compared.run_set.title,
        "baseline": compared.baseline,
        "alpha": ALPHA,
        "power": POWER,
        "means": {v: {k: _number(x) for k, x in of.items()} for v, of in compared.means.items()},
        "comparisons": rows,
        "sentences": sentences(compared),
        "published": [asdict(p) for p in compared.published],
        "notes": list(compared.notes),
    }


def as_csv(compared: Compared) -> str:
    """One row a comparison."""
    return pd.json_normalize(as_data(compared)["comparisons"]).to_csv(index=False)


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _signed(value: float) -> str:
    return f"{100 * value:+.2f}"


def _interval(answer: Answer) -> str:
    return "-" if math.isnan(answer.low) else f"{100 * answer.low:+.2f} {100 * answer.high:+.2f}"


def _size(value: float) -> str:
    return percent(value) if math.isnan(value) or value < 1 else "never"
