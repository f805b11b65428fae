"""Many runs: listed, opened under a parent, taken over where they are finished already."""

from rdpp.runs.many import Outcome, Planned, RunObserver, TakenOver, means, run_all
from rdpp.runs.training import opened, train_grid
from rdpp.runs.tree import Finished, Node, Recorder, Tree

__all__ = [
    "Finished",
    "Node",
    "Outcome",
    "Planned",
    "Recorder",
    "RunObserver",
    "TakenOver",
    "Tree",
    "means",
    "opened",
    "run_all",
    "train_grid",
]
