"""Run what is missing of an ablation's matrix, tracked as ablation > variant > category and seed."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack

from rdpp.ablation.config import AblationConfig
from rdpp.ablation.description import describe_ablation
from rdpp.ablation.views import ablation_views
from rdpp.engine import RunSpec, grids, prepare
from rdpp.runs import (
    GridJob,
    Node,
    Outcome,
    Planned,
    RunObserver,
    TrainAll,
    Tree,
    is_finished,
    opened,
    summary,
    usable_of,
)
from rdpp.tracking.conventions.artifacts import ABLATION_INDEX
from rdpp.tracking.conventions.schema import SCHEMA
from rdpp.tracking.ui.labels import COLOUR, DESCRIPTION, colour

Matrix = Sequence[tuple[str, RunSpec]]
"""Every variant with every category and seed."""


def matrix(ablation: AblationConfig) -> Matrix:
    """Every run, in the order in which they are trained: block by block of a seed and a category, so that an ablation
    that is stopped has whole pairs to compare."""
    specs = grids(list(ablation.variants.values()))
    blocks = zip(*specs, strict=True)
    return [(name, spec) for block in blocks for name, spec in zip(ablation.variants, block, strict=True)]


def missing(whole: Matrix, tree: Tree, since: float = 0.0) -> Matrix:
    """The runs that have not finished; see `is_finished`."""
    return [(variant, spec) for variant, spec in whole if not is_finished(spec, tree, since)]


def run_ablation(
    ablation: AblationConfig, whole: Matrix, tree: Tree, observers: Sequence[RunObserver], train_all: TrainAll
) -> tuple[Node, GridJob]:
    """Train the missing runs.

    Args:
        ablation: the variants.
        whole: their matrix.
        tree: where runs are kept; open.
        observers: are told what is to be known of the images.
        train_all: does the work.

    Returns:
        The ablation's node, the same as before where it was run already; and how its runs ended.

    Raises:
        ConfigError: no category can be used, or every run failed by what a user can mend.
    """
    specs = [spec for _, spec in whole]
    unusable = prepare(specs, observers)
    usable = {id(spec) for spec in usable_of(specs, unusable)}
    tags = {"ablation": ablation.name, "teacher": ablation.base.teacher.name}
    own = {**tags, "baseline": ablation.baseline, DESCRIPTION: describe_ablation(ablation, {})}
    node = tree.open(ablation.name, level="ablation", key=ablation.name, parent=None, tags=own)
    with ExitStack() as stack:
        stack.enter_context(opened(tree, node))
        index = _index(ablation, [(name, spec) for name, spec in whole if id(spec) in usable])
        tree.log_json(node, ABLATION_INDEX, index)
        for view in reversed(ablation_views(ablation)):  # the one to open is the newest
            tree.save_view(node, view)
        tags_of = {
            name: {**tags, "variant": name, COLOUR: colour(number)} for number, name in enumerate(ablation.variants)
        }
        variants: dict[str, Node] = {}
        for name, of_variant in tags_of.items():
            variant = tree.open(name, level="variant", key=name, parent=node, tags=of_variant)
            variants[name] = stack.enter_context(opened(tree, variant))
        planned = [Planned(spec=spec, parent=variants[name], tags=tags_of[name]) for name, spec in whole]
        job = train_all(planned, unusable)
        _log(ablation, tree, node, variants, _by_variant(ablation, job))
    return node, job


def _by_variant(ablation: AblationConfig, job: GridJob) -> dict[str, list[Outcome]]:
    """Of the runs that ended well, in order."""
    outcomes: dict[str, list[Outcome]] = {name: [] for name in ablation.variants}
    for place, ended in sorted(job.ended.items()):
        if isinstance(ended, Outcome):
            outcomes[str(job.planned[place].tags["variant"])].append(ended)
    return outcomes


def _log(
    ablation: AblationConfig,
    tree: Tree,
    node: Node,
    variants: Mapping[str, Node],
    outcomes: Mapping[str, Sequence[Outcome]],
) -> None:
    """Log what the ablation comes to: in words, and the means of each variant."""
    tree.set_tags(node, {DESCRIPTION: describe_ablation(ablation, outcomes)})
    held_out = ablation.base.evaluation.watched == "held_out"
    for name, done in outcomes.items():
        if done:
            tree.log_metrics(variants[name], summary(done, held_out=held_out))


def _index(ablation: AblationConfig, whole: Matrix) -> dict[str, object]:
    runs: dict[str, list[list[str]]] = {name: [] for name in ablation.variants}
    for variant, spec in whole:
        runs[variant].append([spec.identity.training, spec.identity.key])
    return {"schema": SCHEMA, "baseline": ablation.baseline, "runs": runs}
