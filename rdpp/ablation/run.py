"""Run what is missing of an ablation's matrix, tracked as ablation > variant > category and seed."""

from collections.abc import Sequence
from contextlib import ExitStack

from rdpp.ablation.config import AblationConfig
from rdpp.config import ConfigError
from rdpp.engine import RunSpec, grids, prepare
from rdpp.runs import GridJob, Node, Planned, RunObserver, TrainAll, Tree, opened, usable_of
from rdpp.tracking.schema import ABLATION_INDEX, SCHEMA

Matrix = Sequence[tuple[str, RunSpec]]
"""Every variant with every category and seed."""


def matrix(ablation: AblationConfig) -> Matrix:
    """Every run, in the order in which they are trained: block by block of a seed and a category, so that an ablation
    that is stopped has whole pairs to compare."""
    specs = grids(list(ablation.variants.values()))
    blocks = zip(*specs, strict=True)
    return [(name, spec) for block in blocks for name, spec in zip(ablation.variants, block, strict=True)]


def missing(whole: Matrix, tree: Tree) -> Matrix:
    """The runs that have not finished, or whose test files have changed since they finished. Those of a category that
    cannot be used are missing."""
    return [(variant, spec) for variant, spec in whole if not _is_finished(spec, tree)]


def _is_finished(spec: RunSpec, tree: Tree) -> bool:
    try:
        found = tree.find(spec)
    except ConfigError:  # its images cannot be used, which `prepare` tells
        return False
    return found is not None and found.same_test_files


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
    own = {**tags, "baseline": ablation.baseline}
    node = tree.open(ablation.name, level="ablation", key=ablation.name, parent=None, tags=own)
    with ExitStack() as stack:
        stack.enter_context(opened(tree, node))
        index = _index(ablation, [(name, spec) for name, spec in whole if id(spec) in usable])
        tree.log_json(node, ABLATION_INDEX, index)
        variants: dict[str, Node] = {}
        for name in ablation.variants:
            variant = tree.open(name, level="variant", key=name, parent=node, tags={**tags, "variant": name})
            variants[name] = stack.enter_context(opened(tree, variant))
        planned = [Planned(spec=spec, parent=variants[name], tags={**tags, "variant": name}) for name, spec in whole]
        job = train_all(planned, unusable)
    return node, job


def _index(ablation: AblationConfig, whole: Matrix) -> dict[str, object]:
    runs: dict[str, list[list[str]]] = {name: [] for name in ablation.variants}
    for variant, spec in whole:
        runs[variant].append([spec.identity.training, spec.identity.key])
    return {"schema": SCHEMA, "baseline": ablation.baseline, "runs": runs}
