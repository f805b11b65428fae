"""What the page of an ablation's MLflow run says in words."""

import shlex
from collections.abc import Mapping, Sequence

from rdpp.ablation.config import AblationConfig
from rdpp.ablation.views import METRICS
from rdpp.config import flatten
from rdpp.display.console import percent
from rdpp.experiment import ExperimentConfig
from rdpp.runs import Outcome, summary

_NAMED = 6
"""Settings that are named of one variant."""


def describe_ablation(ablation: AblationConfig, outcomes: Mapping[str, Sequence[Outcome]]) -> str:
    """In Markdown: question, what differs, on what, how epochs are chosen, the result so far, and what to do next.

    Args:
        ablation: its definition.
        outcomes: of the runs that have ended well, by variant.
    """
    base, name = ablation.base, shlex.quote(ablation.name)
    seeds = ", ".join(map(str, base.seeds))
    categories = ", ".join(base.data.categories) or "all categories"
    differences = "\n".join(f"| {variant} | {_difference(ablation, variant)} |" for variant in ablation.variants)
    parts = [
        f"**Question.** What does each variant change, compared with `{ablation.baseline}`?",
        f"**Variants**\n\n| variant | differs in |\n|---|---|\n{differences}",
        f"**On** {categories} (seeds {seeds}; teacher {base.teacher.name}). Epochs are chosen by the rule "
        f"`{base.evaluation.selection}`.",
        f"**Result** on the test images, per cent, mean over categories and seeds (standard deviation between seeds). "
        f"{_result(outcomes)}",
        f"**Next.** `rdpp compare {name}` tells which differences are more than chance, and `rdpp report {name}` "
        "writes a page about them.",
    ]
    return "\n\n".join(parts)


def _difference(ablation: AblationConfig, variant: str) -> str:
    ours, base = _settings(ablation.variants[variant]), _settings(ablation.base)
    changed = [path for path in sorted({*ours, *base}) if ours.get(path) != base.get(path)]
    if not changed:
        return "nothing"
    named = ", ".join(f"`{path}`" for path in changed[:_NAMED])
    return named if len(changed) <= _NAMED else f"{named} and {len(changed) - _NAMED} more"


def _settings(experiment: ExperimentConfig) -> dict[str, object]:
    return {path: value for path, value in flatten(experiment.to_mapping()).items() if path != "name"}


def _result(outcomes: Mapping[str, Sequence[Outcome]]) -> str:
    if not any(outcomes.values()):
        return "No run has ended yet."
    rows = "\n".join(_row(variant, done) for variant, done in outcomes.items() if done)
    heads = " | ".join(METRICS)
    return f"\n\n| variant | {heads} | runs |\n|---|---|---|---|\n{rows}"


def _row(variant: str, outcomes: Sequence[Outcome]) -> str:
    found = summary(outcomes, held_out=False)
    nan = float("nan")
    cells = [
        f"{percent(found.get(f'test/{name}', nan))} ({percent(found.get(f'spread/test/{name}', nan))})"
        for name in METRICS
    ]
    return f"| {variant} | {' | '.join(cells)} | {len(outcomes)} |"
