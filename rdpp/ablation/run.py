"""Run what is missing of an ablation's matrix, tracked as ablation > variant > category and seed."""

from collections.abc import Sequence
from contextlib import ExitStack

from rdpp.ablation.config import AblationConfig
from rdpp.engine import RunSpec, grids, prepare
from rdpp.runs import Node, Planned, RunObserver, Tree, opened, run_all
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
    """The runs that have not finished, or whose test files have changed since they finished."""
    found = ((variant, spec, tree.find(spec)) for variant, spec in whole)
    return [(variant, spec) for variant, spec, run in found if run is None or not run.same_test_files]


def run_ablation(
    ablation: AblationConfig,
    whole: Matrix,
    tree: Tree,
    observers: Sequence[RunObserver] = (),
    *,
    again: bool = False,
) -> str:
    """Train the missing runs.

    Args:
        ablation: the variants.
        whole: their matrix.
        tree: where runs are kept; open.
        observers: are told what happens.
        again: train finished runs anew.

    Returns:
        The id of the ablation's MLflow run: the one it had before, where it was run already.

    Raises:
        ConfigError: images or weights that cannot be used.
    """
    prepare([spec for _, spec in whole], observers)
    tags = {"ablation": ablation.name, "teacher": ablation.base.teacher.name}
    own = {**tags, "baseline": ablation.baseline}
    node = tree.open(ablation.name, level="ablation", key=ablation.name, parent=None, tags=own)
    with ExitStack() as stack:
        stack.enter_context(opened(tree, node))
        parent = tree.run_id(node)
        tree.log_json(node, ABLATION_INDEX, _index(ablation, whole))
        variants: dict[str, Node] = {}
        for name in ablation.variants:
            own = {**tags, "variant": name}
            variant = tree.open(name, level="variant", key=name, parent=node, tags=own)
            variants[name] = stack.enter_context(opened(tree, variant))
        planned = [Planned(spec=spec, parent=variants[name], tags={**tags, "variant": name}) for name, spec in whole]
        list(run_all(planned, tree, observers, again=again))
    return parent


def _index(ablation: AblationConfig, whole: Matrix) -> dict[str, object]:
    runs: dict[str, list[list[str]]] = {name: [] for name in ablation.variants}
    for variant, spec in whole:
        runs[variant].append([spec.identity.training, spec.identity.key])
    return {"schema": SCHEMA, "baseline": ablation.baseline, "runs": runs}
