"""`rdpp report`: one HTML page that opens without a network, also an artifact of the study's or ablation's run."""

import dataclasses
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2
import numpy as np
import plotly.io

from rdpp.comparison.figures import differences
from rdpp.comparison.map_grid import MOST_MAPS, data_uri, image_rows
from rdpp.comparison.pairing import HEADLINE, Compared, common_means, compare_runs
from rdpp.comparison.scores import BINS, category_scores
from rdpp.comparison.search import RunSet, TrainedRun, find_runs
from rdpp.comparison.shown import MOST_VARIANTS, shown_categories
from rdpp.comparison.tables import as_data
from rdpp.comparison.trials import Trials, ranked_trials
from rdpp.config import ConfigError, choose
from rdpp.display.console import percent
from rdpp.folders import ensure_writable_file
from rdpp.metrics import METRICS, of_defect_type
from rdpp.tracking.conventions.metric_names import (
    GRADIENT_NORM,
    GRADIENT_ROUNDING,
    LOSS,
    LOSS_WEIGHT,
    LOSS_WEIGHTED,
    TIME_SHARE,
)
from rdpp.tracking.conventions.tags import DEAD_TERMS
from rdpp.tracking.store.mlflow_store import Store


@dataclass(frozen=True)
class Tabulated:
    """A table of text: its first column holds names."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def write_report(source: str, out: Path | None, tracking_uri: str | None, baseline: str | None = None) -> Path:
    """Write the page and log it to the run of the study or ablation.

    Args:
        source: name or MLflow run id of a study or an ablation.
        out: by default `<name>.html` in the working directory.
        tracking_uri: MLflow store.
        baseline: to compare with, instead of the ablation's own or the study's first trial.

    Returns:
        Where the page lies.

    Raises:
        ConfigError: no such study or ablation, no finished run in it, no such baseline, or no file can be written.
    """
    store = Store(tracking_uri, create=False)
    run_set = find_runs(store, [source])
    if run_set.parent is None:
        raise ConfigError(f"a report is of one study or ablation, got the query '{source}'; see rdpp compare")
    if baseline is not None:
        choose(baseline, run_set.variants, "baseline")
    path = out or Path(f"{re.sub(r'[^A-Za-z0-9_.-]+', '-', run_set.title)}.html")
    ensure_writable_file(path, "give another file with --out")
    page = render(store, run_set, baseline)
    path.write_text(page, encoding="utf-8")
    store.client.log_text(run_set.parent, page, "report.html")
    return path


def render(store: Store, run_set: RunSet, baseline: str | None = None) -> str:
    """The page."""
    trials = ranked_trials(store, run_set.parent or "") if run_set.kind == "study" else None
    if trials:  # every table has the order of the leaderboard
        places = {row[0]: place for place, row in enumerate(trials.rows)}
        last = len(places)  # of a trial whose own MLflow run was deleted
        ranked = sorted(run_set.variants, key=lambda name: places.get(name, last))
        run_set = dataclasses.replace(run_set, variants=tuple(ranked))
    compared, problem = _compared(run_set, baseline)
    figures = _plotly_figures(store, run_set) if trials else []
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("rdpp.comparison", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    categories = sorted({run.category for run in run_set.runs})
    leaderboard, ranking = _leaderboard(run_set, trials, baseline)
    images, missing = image_rows(store, run_set)
    scores, without_scores = category_scores(store, run_set)
    return environment.get_template("report.html").render(
        run_set=run_set,
        categories=categories,
        seeds=sorted({run.seed for run in run_set.runs}),
        leaderboard=leaderboard,
        ranking=ranking,
        comparison=as_data(compared) if compared else None,
        problem=problem,
        picture=data_uri(differences(compared.comparisons)) if compared else None,
        by_category=[_by_category(run_set, metric) for metric in HEADLINE],
        by_type=_by_type(run_set),
        terms=_terms(run_set),
        figures=figures,
        images=images,
        missing=missing,
        most_maps=MOST_MAPS,
        scores=scores,
        without_scores=without_scores,
        most_variants=MOST_VARIANTS,
        bins=BINS,
        left_out=len(categories) - len(shown_categories(run_set)),
    )


def _compared(run_set: RunSet, baseline: str | None) -> tuple[Compared | None, str]:
    """The comparison, or why there is none: a report of runs that cannot be paired is a report all the same."""
    try:
        return compare_runs(run_set, baseline), ""
    except ConfigError as error:
        return None, str(error)


def _leaderboard(run_set: RunSet, trials: Trials | None, baseline: str | None) -> tuple[Tabulated, str]:
    """Of a study its trials, by the objective that chose; else variants by the mean of the headline metrics. And a line
    that says how to read it."""
    if trials is not None:
        return Tabulated("Leaderboard", trials.header, trials.rows), (
            "Ranked by the objective, which chose. The values on the test images stand beside: they chose nothing, "
            "unless the objective is of the test images itself."
        )
    frame = run_set.frame()
    names = [name for name in METRICS if name in frame.columns]
    names += [f"held_out/{name}" for name in HEADLINE if f"held_out/{name}" in frame.columns]
    against = baseline or run_set.baseline
    if against not in run_set.variants:  # none of its runs has finished
        against = run_set.variants[0]
    means, notes = common_means(frame, names, against)
    headline = [name for name in HEADLINE if name in names]
    order = sorted(means, key=lambda v: -np.nan_to_num(sum(means[v][name] for name in headline), nan=-np.inf))
    runs = run_set.by_variant()
    rows = [(v, str(len(runs[v])), *(percent(means[v][name]) for name in names), _dead(runs[v])) for v in order]
    shown = [name.replace("held_out/", "held-out ").replace("_", " ") for name in names]
    line = "Ranked by the mean of the headline metrics. " + ". ".join(note[0].upper() + note[1:] for note in notes)
    return Tabulated("Leaderboard", ("variant", "runs", *shown, "dead terms"), tuple(rows)), line


def _dead(runs: Sequence[TrainedRun]) -> str:
    found = {run.tags.get(DEAD_TERMS, "unknown") for run in runs}
    terms = sorted({term for text in found for term in text.split()} - {"none"})
    return ", ".join(terms)


def _by_category(run_set: RunSet, metric: str) -> Tabulated:
    categories = sorted({run.category for run in run_set.runs})
    seeds = len({run.seed for run in run_set.runs})
    rows = []
    for variant, own in run_set.by_variant().items():
        values = [
            [run.metrics[metric] for run in own if run.category == category and metric in run.metrics]
            for category in categories
        ]
        rows.append((variant, *(_with_spread(found, seeds) for found in values)))
    return Tabulated(metric, ("variant", *categories), tuple(rows))


def _with_spread(values: Sequence[float], seeds: int) -> str:
    """Mean and spread, and of how many seeds, where it lacks some."""
    mean = percent(float(np.mean(values))) if values else "-"
    spread = f" ± {percent(float(np.std(values, ddof=1)))}" if len(values) > 1 else ""
    return f"{mean}{spread}" + (f" ({len(values)} of {seeds} seeds)" if 0 < len(values) < seeds else "")


def _by_type(run_set: RunSet) -> list[Tabulated]:
    """Image AUROC of each defect type against the good images, a table a category, means over seeds."""
    tables = []
    for category in sorted({run.category for run in run_set.runs}):
        runs = [run for run in run_set.runs if run.category == category]
        start = of_defect_type("image_auroc", "")
        types = sorted({key.removeprefix(start) for run in runs for key in run.metrics if key.startswith(start)})
        rows = []
        for variant, all_own in run_set.by_variant().items():
            own = [run for run in all_own if run.category == category]
            if own:
                values = [np.mean([run.metrics.get(start + t, np.nan) for run in own]) for t in types]
                rows.append((variant, *(percent(float(value)) for value in values)))
        if types:
            tables.append(Tabulated(category, ("variant", *types), tuple(rows)))
    return tables


def _terms(run_set: RunSet) -> Tabulated:
    """What each loss term came to at the end of training, and how much it moved: means over a variant's runs."""
    rows = []
    for variant, runs in run_set.by_variant().items():
        names = [key.removeprefix(LOSS_WEIGHT) for key in runs[0].logged if key.startswith(LOSS_WEIGHT)]
        for term in names:
            keys = [kind + term for kind in (LOSS_WEIGHT, LOSS, LOSS_WEIGHTED)]
            keys += [f"{GRADIENT_NORM}{group}/{term}" for group in ("projection", "restoration")]
            keys += [GRADIENT_ROUNDING + term, TIME_SHARE + term]
            dead = sum(term in run.tags.get(DEAD_TERMS, "").split() for run in runs)
            rows.append((variant, term, *(_mean_of(runs, key) for key in keys), f"{dead} of {len(runs)}"))
    header = ("variant", "term", "weight", "value", "weighted", "gradient at projection")
    header += ("gradient at bottleneck and student", "rounding share of gradient", "share of step time", "dead in runs")
    return Tabulated("Loss terms", header, tuple(rows))


def _mean_of(runs: Sequence[TrainedRun], key: str) -> str:
    values = [run.logged[key] for run in runs if key in run.logged]
    return f"{np.mean(values):.3g}" if values else "-"


def _plotly_figures(store: Store, run_set: RunSet) -> list[str]:
    """Optuna's own figures of a study, as HTML; plotly's code comes with the first."""
    parent, found = run_set.parent or "", list[str]()
    for name in ("importances", "history", "slices"):
        data = store.read_json(parent, f"figures/{name}.json")
        if data is not None:
            figure = plotly.io.from_json(json.dumps(data))
            found.append(plotly.io.to_html(figure, full_html=False, include_plotlyjs=not found))
    return found
