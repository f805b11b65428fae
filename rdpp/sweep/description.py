"""What the page of a study's MLflow run says in words."""

import shlex
from collections.abc import Mapping
from typing import Any

import optuna
from optuna.trial import TrialState

from rdpp.display.console import percent, short
from rdpp.runs import seed_spread
from rdpp.sweep.attributes import value_on_test, values_by_run
from rdpp.sweep.config import SweepConfig
from rdpp.sweep.figures import FIGURES
from rdpp.sweep.findings import Findings
from rdpp.sweep.space import Choice, Dimension

_STATES = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}


def describe_study(sweep: SweepConfig, study: optuna.Study, pruner: str, found: Findings) -> str:
    """In Markdown: question, what is swept, on what, how chosen, the result so far, and what to do next.

    Args:
        sweep: its definition.
        study: Optuna's.
        pruner: the one that it was started with.
        found: what its trials say.
    """
    experiment = sweep.experiment
    name = shlex.quote(sweep.name)
    seeds = ", ".join(map(str, experiment.seeds))
    categories = ", ".join(experiment.data.categories) or "all categories"
    watched = "held-out images" if experiment.evaluation.watched == "held_out" else "the test images"
    metrics = " and ".join(sweep.objective)
    rows = "\n".join(f"| `{path}` | {_range(dimension)} |" for path, dimension in sweep.space.items())
    parts = [
        f"**Question.** Which values give the highest mean of {metrics} over categories and seeds?",
        f"**Swept** over the experiment `{experiment.name}`:\n\n| value | range |\n|---|---|\n{rows}",
        f"**On** {categories} (seeds {seeds}; teacher {experiment.teacher.name}).",
        f"**Chosen** by the objective on {watched}; trials are drawn by `{sweep.sampler.name}`, and pruned by "
        f"`{pruner}`.",
        f"**Result.** {_result(sweep, study, found)}",
        f"**Next.** `rdpp train --from {name}` trains the best trial's configuration, with `--epochs`, `--seeds` "
        f"or `--categories` of your choice, and `rdpp report {name}` writes a page "
        f"about the study. The figures are in *Artifacts > {FIGURES}*.",
    ]
    return "\n\n".join(parts)


def _range(dimension: Dimension) -> str:
    if isinstance(dimension, Choice):
        return " or ".join(map(str, dimension.choices))
    return f"{dimension.low} to {dimension.high}{', logarithmic' if dimension.log else ''}"


def _result(sweep: SweepConfig, study: optuna.Study, found: Findings) -> str:
    trials = study.get_trials(deepcopy=False)
    counts = {word: sum(trial.state == state for trial in trials) for state, word in _STATES.items()}
    counted = ", ".join(f"{count} {word}" for word, count in counts.items() if count) or "none has ended"
    if not counts["complete"]:
        return f"{len(trials)} trials begun: {counted}."
    best = study.best_trial
    apart = seed_spread(values_by_run(best, sweep.objective))
    between = "" if apart != apart else f" (its seeds lie {100 * apart:.2f} points apart, standard deviation)"
    return (
        f"{len(trials)} trials: {counted}. The best is trial {best.number}, with objective {percent(best.value)} %"
        f"{between} and {percent(value_on_test(best, sweep.objective))} % on the test images: {_values(best.params)}. "
        f"{' '.join(found.sentences)}"
    )


def _values(params: Mapping[str, Any]) -> str:
    return ", ".join(f"`{path}` {short(value)}" for path, value in params.items())
