"""Commands' work on a store that is open already: many tests share one, since making a store takes seconds.

Finished runs of other tests are in it, so runs are trained anew unless a test is about taking them over.
"""

from rdpp.ablation.run import matrix, run_ablation
from rdpp.engine import grid
from rdpp.runs import train_grid
from rdpp.sweep.study import run_study
from rdpp.tracking.tree import MlflowTree

TWO_LOSSES = {"losses.reconstruction": None, "losses.contrast": None}
"""Settings of runs that are there for the tree that they stand in: they train in three quarters of the time."""


def tracked_training(store, experiment, observers=(), *, again=True):
    """The outcomes of plain training."""
    with MlflowTree(store=store) as tree:
        return train_grid(grid(experiment), tree, observers, again=again)


def tracked_study(sweep, study, store, observers=(), *, again=True):
    """The MLflow run of a study that ran to its end."""
    with MlflowTree(store=store) as tree:
        return run_study(sweep, study, tree, observers, again=again)


def tracked_ablation(ablation, store, observers=(), *, again=False):
    """The MLflow run of an ablation that ran to its end."""
    with MlflowTree(store=store) as tree:
        return run_ablation(ablation, matrix(ablation), tree, observers, again=again)
