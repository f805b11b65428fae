"""Plain training: a parent run with one child a category and seed."""

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rdpp.config import digest
from rdpp.engine import RunSpec, prepare
from rdpp.runs.many import Outcome, Planned, RunObserver, means, run_all
from rdpp.runs.tree import Node, Tree


def train_grid(
    specs: Sequence[RunSpec], tree: Tree, observers: Sequence[RunObserver] = (), *, again: bool = False
) -> list[Outcome]:
    """Train the runs of one experiment under one parent, which gets the means.

    The same runs stand under the same parent when they are started once more, after an interruption for instance.

    Args:
        specs: of one experiment; see `rdpp.engine.grid`.
        tree: where they are kept.
        observers: are told what happens.
        again: train finished runs anew, under a new parent.

    Raises:
        ConfigError: images or weights that cannot be used, told before the first run.
    """
    prepare(specs, observers)
    experiment = specs[0].experiment
    key = _key(specs)
    if again:
        key = f"{key} {uuid.uuid4().hex}"
    tags = {"variant": experiment.name, "teacher": experiment.teacher.name}
    with opened(tree, tree.open(experiment.name, level="training", key=key, parent=None, tags=tags)) as parent:
        own = {"variant": experiment.name, "training": experiment.name}
        planned = [Planned(spec=spec, parent=parent, tags=own) for spec in specs]
        outcomes = list(run_all(planned, tree, observers, again=again))
        tree.log_metrics(parent, means(outcomes))
    return outcomes


@contextmanager
def opened(tree: Tree, node: Node) -> Iterator[Node]:
    """A parent run that is closed however the block ends."""
    try:
        yield node
    except BaseException as error:
        tree.close(node, error)
        raise
    tree.close(node)


def _key(specs: Sequence[RunSpec]) -> str:
    return digest([specs[0].experiment.name, *(spec.identity.training for spec in specs)])
