"""Plain training: a parent run with one child a category and seed."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rdpp.config import digest
from rdpp.engine import RunSpec
from rdpp.runs.grid import GridJob
from rdpp.runs.many import means
from rdpp.runs.one import Planned
from rdpp.runs.tree import Node, Tree


def training_node(specs: Sequence[RunSpec], tree: Tree, attempt: str = "") -> Node:
    """Open the parent of the runs of one experiment: the same one when they are started once more.

    Args:
        specs: see `rdpp.engine.grid`; those whose categories can be used.
        tree: where they are kept.
        attempt: tells apart those that are trained anew.
    """
    experiment = specs[0].experiment
    key = digest([experiment.name, *(spec.identity.training for spec in specs), *([attempt] if attempt else [])])
    tags = {"variant": experiment.name, "teacher": experiment.teacher.name}
    return tree.open(experiment.name, level="training", key=key, parent=None, tags=tags)


def training_plan(specs: Sequence[RunSpec], parent: Node) -> list[Planned]:
    """The runs of one experiment under their parent."""
    name = specs[0].experiment.name
    own = {"variant": name, "training": name}
    return [Planned(spec=spec, parent=parent, tags=own) for spec in specs]


def log_means(job: GridJob, tree: Tree, parent: Node) -> None:
    """The means over the runs that ended well, at their parent."""
    if job.outcomes:
        tree.log_metrics(parent, means(job.outcomes))
    tree.set_tags(parent, {"failed_runs": len(job.failures)})


@contextmanager
def opened(tree: Tree, node: Node) -> Iterator[Node]:
    """A parent run that is closed however the block ends, but for an error while another process works at it too."""
    with tree.work.present(f"node-{node.id}") as others:
        try:
            yield node
        except BaseException as error:
            if not others():
                tree.close(node, error)
            raise
    tree.close(node)
