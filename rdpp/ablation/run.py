"""Run what is missing of an ablation's matrix, tracked as ablation > variant > category and seed."""

from collections.abc import Sequence
from contextlib import ExitStack

from rdpp.ablation.config import AblationConfig
from rdpp.config import ConfigError
from rdpp.display.console import ConsoleObserver
from rdpp.display.screen import Terminal
from rdpp.engine import RunSpec, grids, prepare
from rdpp.runs import Node, Planned, Tree, opened
from rdpp.stopping import Stop
from rdpp.tracking.schema import ABLATION_INDEX, SCHEMA
from rdpp.tracking.tree import MlflowTree
from rdpp.workers import WorkOptions, work_at_grid

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
    ablation: AblationConfig,
    whole: Matrix,
    tree: MlflowTree,
    screen: Terminal,
    options: WorkOptions,
    stop: Stop,
) -> tuple[str, int]:
    """Train the missing runs.

    Args:
        ablation: the variants.
        whole: their matrix.
        tree: where runs are kept; open.
        screen: shows what happens.
        options: who works, and how.
        stop: of this process.

    Returns:
        The id of the ablation's MLflow run: the one it had before, where it was run already; and how many runs failed.

    Raises:
        ConfigError: no category can be used, or every run failed by what a user can mend.
    """
    unusable = prepare([spec for _, spec in whole], [ConsoleObserver(screen)])
    usable = [(name, spec) for name, spec in whole if spec.category.name not in unusable]
    if not usable:
        raise next(iter(unusable.values()))
    tags = {"ablation": ablation.name, "teacher": ablation.base.teacher.name}
    own = {**tags, "baseline": ablation.baseline}
    node = tree.open(ablation.name, level="ablation", key=ablation.name, parent=None, tags=own)
    with ExitStack() as stack:
        stack.enter_context(opened(tree, node))
        tree.log_json(node, ABLATION_INDEX, _index(ablation, usable))
        variants: dict[str, Node] = {}
        for name in ablation.variants:
            variant = tree.open(name, level="variant", key=name, parent=node, tags={**tags, "variant": name})
            variants[name] = stack.enter_context(opened(tree, variant))
        planned = [Planned(spec=spec, parent=variants[name], tags={**tags, "variant": name}) for name, spec in whole]
        job = work_at_grid(planned, unusable, tree, screen, options, stop, variants=True)
    return tree.run_id(node), len(job.failures)


def _index(ablation: AblationConfig, whole: Matrix) -> dict[str, object]:
    runs: dict[str, list[list[str]]] = {name: [] for name in ablation.variants}
    for variant, spec in whole:
        runs[variant].append([spec.identity.training, spec.identity.key])
    return {"schema": SCHEMA, "baseline": ablation.baseline, "runs": runs}
