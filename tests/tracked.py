"""Commands' work on a store that is open already: many tests share one, since making a store takes seconds.

Finished runs of other tests are in it, so runs are trained anew unless a test is about taking them over.
"""

import time
from functools import partial

from rdpp.ablation.run import matrix, run_ablation
from rdpp.engine import grid
from rdpp.runs import Conduct, train_grid, work, work_alone
from rdpp.sweep.job import StudyJob
from rdpp.sweep.study import open_study, open_study_node, prepare_study, run_study
from rdpp.tracking.tree import MlflowTree

PLAIN = {
    "projection": False,
    "noise": None,
    "losses.ssot": None,
    "losses.reconstruction": None,
    "losses.contrast": None,
    "training.epochs": 1,
    "heatmaps": 0,
}
"""Settings of runs that are there for the tree that they stand in: one epoch of plain reverse distillation."""
WEIGHT = "losses.distillation.weight"
"""A hyperparameter that they have."""


def conduct(*, again, since=0.0, **how):
    """How a process works that says nothing. Runs that finished before `since` are trained anew; with `again`, all."""
    return Conduct(since=since or (time.time() if again else 0.0), tell=lambda line: None, **how)


def tracked_training(store, experiment, observers=(), *, again=True, **how):
    """The outcomes of plain training, all of which must end well."""
    job = tracked_job(store, experiment, observers, again=again, **how)
    assert not job.failures, [failure for _, failure in job.failures]
    return job.outcomes


def tracked_job(store, experiment, observers=(), *, again=True, **how):
    """The job of plain training, done."""
    with MlflowTree(store=store) as tree:
        one = conduct(again=again, **how)
        alone = partial(work_alone, tree=tree, observers=observers, conduct=one)
        return train_grid(grid(experiment), tree, observers, alone, attempt=str(one.since or ""))


class Quiet:
    """Nobody looks at trials."""

    def begun(self, number):
        pass

    def ended(self, number, runs_left):
        pass

    def of_run(self, number):
        return lambda event: None


def tracked_study(sweep, storage, store, observers=(), *, again=True, change=None, **how):
    """The points of a study that ran to its end, and its MLflow run.

    `change` is called with the study's job before it begins.
    """
    with MlflowTree(store=store) as tree:
        points = open_study(sweep, storage, tree.work)
        prepare_study(sweep, observers, print)
        node = open_study_node(sweep, points, tree)
        job = StudyJob(sweep, points, tree, node, points.study.user_attrs["pruner"], sweep.experiment, Quiet())
        if change:
            change(job)
        run_study(job, lambda: work(job, tree, observers, conduct(again=again, **how)))
        return points, tree.run_id(node)


def tracked_ablation(ablation, store, observers=(), *, again=False, **how):
    """The MLflow run of an ablation that ran to its end."""
    with MlflowTree(store=store) as tree:
        alone = partial(work_alone, tree=tree, observers=observers, conduct=conduct(again=again, **how))
        node, _ = run_ablation(ablation, matrix(ablation), tree, observers, alone)
        return tree.run_id(node)
