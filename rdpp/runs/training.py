"""Plain training: a parent run with one child a category and seed."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from rdpp.config import ConfigError, digest
from rdpp.engine import RunSpec, prepare
from rdpp.runs.grid import GridJob
from rdpp.runs.one import Planned, RunObserver
from rdpp.runs.summary import summary
from rdpp.runs.tree import Node, Tree

TrainAll = Callable[[Sequence[Planned], Mapping[str, ConfigError]], GridJob]
"""Settles planned runs, and those of categories that cannot be used; see `work_alone`."""


def train_grid(
    specs: Sequence[RunSpec], tree: Tree, observers: Sequence[RunObserver], train_all: TrainAll, *, attempt: str = ""
) -> GridJob:
    """Train the runs of one experiment under one parent, which gets the means.

    The same runs stand under the same parent when they are started once more, after an interruption for instance.

    Args:
        specs: see `rdpp.engine.grid`.
        tree: where they are kept.
        observers: are told what is to be known of the images.
        train_all: does the work.
        attempt: tells runs that are trained anew from earlier ones.

    Raises:
        ConfigError: no category can be used, or every run failed by what a user can mend.
    """
    unusable = prepare(specs, observers)
    parent = _open_parent(usable_of(specs, unusable), tree, attempt)
    own = {"variant": specs[0].experiment.name, "training": specs[0].experiment.name}
    with opened(tree, parent):
        job = train_all([Planned(spec=spec, parent=parent, tags=own) for spec in specs], unusable)
        if job.outcomes:
            held_out = specs[0].experiment.evaluation.watched == "held_out"
            tree.log_metrics(parent, summary(job.outcomes, held_out=held_out))
        tree.set_tags(parent, {"failed_runs": len(job.failures)})
    return job


def usable_of(specs: Sequence[RunSpec], unusable: Mapping[str, ConfigError]) -> list[RunSpec]:
    """Those whose categories can be used.

    Raises:
        ConfigError: there are none.
    """
    usable = [spec for spec in specs if spec.category.name not in unusable]
    if not usable:
        raise next(iter(unusable.values()))
    return usable


@contextmanager
def opened(tree: Tree, node: Node) -> Iterator[Node]:
    """A parent run that is closed however the block ends, but for an error while another process works at it too."""
    with tree.locks.present(f"node-{node.id}") as others:
        try:
            yield node
        except BaseException as error:
            if not others():
                tree.close(node, error)
            raise
    tree.close(node)


def _open_parent(specs: Sequence[RunSpec], tree: Tree, attempt: str) -> Node:
    experiment = specs[0].experiment
    key = digest([experiment.name, *(spec.identity.training for spec in specs), *([attempt] if attempt else [])])
    tags = {"variant": experiment.name, "teacher": experiment.teacher.name}
    return tree.open(experiment.name, level="training", key=key, parent=None, tags=tags)
