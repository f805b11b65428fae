"""Train runs that are known from the beginning, alone or with several workers."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rdpp.config import ConfigError
from rdpp.display.console import ConsoleObserver
from rdpp.display.screen import Screen, Terminal
from rdpp.engine import grid
from rdpp.experiment import ExperimentConfig
from rdpp.runs import GridJob, Notes, Planned, is_finished, train_grid, work, work_alone
from rdpp.stopping import Stop
from rdpp.tracking.tree import MlflowTree
from rdpp.workers.member import Member
from rdpp.workers.options import WorkOptions


@dataclass(frozen=True)
class Trained:
    """What `train` did."""

    job: GridJob
    run_ids: Sequence[str | None]
    """MLflow's, one of each of the job's outcomes; None while MLflow is away."""
    parent: str | None
    """The same of the run that they stand below, which has their means."""


def train(experiment: ExperimentConfig, options: WorkOptions, stop: Stop) -> Trained:
    """Train what is not finished yet of an experiment, every category with every seed.

    Raises:
        ConfigError: nothing can be trained.
    """
    specs = grid(experiment)
    with options.tree() as tree, Terminal(len(specs)) as screen:

        def train_all(planned: Sequence[Planned], unusable: Mapping[str, ConfigError]) -> GridJob:
            screen.finished_before(sum(is_finished(plan.spec, tree, options.since) for plan in planned))
            return work_at_grid(planned, unusable, tree=tree, screen=screen, options=options, stop=stop)

        attempt = str(options.since or "")
        job = train_grid(specs, tree, [ConsoleObserver(screen)], train_all, attempt=attempt)
        tree.finish()
        run_ids = [tree.run_id_of(outcome.spec) for outcome in job.outcomes]
        return Trained(job, run_ids, tree.known_run_id(job.planned[0].parent))


def work_at_grid(
    planned: Sequence[Planned],
    unusable: Mapping[str, ConfigError],
    *,
    tree: MlflowTree,
    screen: Terminal,
    options: WorkOptions,
    stop: Stop,
    variants: bool = False,
) -> GridJob:
    """Train runs.

    Args:
        planned: the runs, in order.
        unusable: what is wrong with categories that cannot be used; their runs have failed.
        tree: where runs are kept.
        screen: shows what happens.
        options: who works, and how.
        stop: of this process.
        variants: whether lines name the run's variant.

    Returns:
        The job, done.

    Raises:
        ConfigError: every run failed by what a user can mend.
    """
    for category, error in unusable.items():
        screen.line(f"{category}: cannot be used, the others go on: {error}")
    with options.team(planned[0].spec.experiment) as team:
        if team.alone:
            observer = ConsoleObserver(screen, variants=variants)
            return work_alone(planned, unusable, tree, [observer], options.conduct(stop, screen))
        with team.notes(tree) as notes:
            job = GridJob(planned, notes, unusable)
            team.run(_work_in_process, (job.planned, notes, unusable, options, variants), tree, screen, stop)
            job.collect()
    job.check_some()
    return job


def _work_in_process(
    member: Member,
    screen: Screen,
    stop: Stop,
    planned: Sequence[Planned],
    notes: Notes,
    unusable: Mapping[str, ConfigError],
    options: WorkOptions,
    variants: bool,
) -> None:
    own = [dataclasses.replace(plan, spec=member.fit_spec(plan.spec)) for plan in planned]
    with options.tree(must_be_there=False, tell=screen.line) as tree:
        job = GridJob(own, notes, unusable)
        work(job, tree, [ConsoleObserver(screen, variants=variants)], options.conduct(stop, screen))
