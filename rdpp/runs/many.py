"""One way to run many: whoever has time takes a run that nobody works at, trains it or takes it over, and settles it.

Any number of processes do so at once, on one job or on several. A run is locked while it is in work, so that no two
train it; what others finished meanwhile is found in the tree and taken over.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

from rdpp.engine import GivenUp
from rdpp.runs.failures import Failure, Streak
from rdpp.runs.locks import Hold, HoldLost
from rdpp.runs.one import Conduct, Outcome, Planned, RunObserver, run_one
from rdpp.runs.tree import Tree

_PAUSE = 1.0
"""Seconds between two looks at what other processes work at."""


class Job(Protocol):
    """What is to be trained, and what follows from how it ends. Several processes may work at one job."""

    def done(self) -> bool:
        """Whether nothing is left to do, for this process or another."""
        ...

    def ready(self) -> Iterable[Planned]:
        """Runs that may begin now and have not ended, those first that should begin first."""
        ...

    def wants(self, plan: Planned) -> bool:
        """Whether such a run is still to be trained, now that no other process works at it."""
        ...

    def settle(self, plan: Planned, ended: Outcome | Failure) -> None:
        """A run came to something, or failed."""
        ...

    def give_up(self, plan: Planned) -> None:
        """A run was ended by an observer: it is not worth continuing."""
        ...

    def open_more(self) -> bool:
        """Asked where other processes work at every run that is ready: find further work. Whether there is some."""
        ...


def work(job: Job, tree: Tree, observers: Sequence[RunObserver], conduct: Conduct) -> None:
    """Train what a job wants, until nothing is left.

    Args:
        job: says what.
        tree: where runs are kept and found.
        observers: are told what happens in this process.
        conduct: how.

    Raises:
        ConfigError: what a user can mend, such as a state of other code, or many failures of one kind.
        Stopped: the process was asked to stop; what was in work can go on later.
    """
    streak = Streak()
    while not job.done():
        conduct.stop.check()
        if not (_take_one(job, tree, observers, conduct, streak) or job.open_more()):
            conduct.stop.sleep(_PAUSE)


def _take_one(job: Job, tree: Tree, observers: Sequence[RunObserver], conduct: Conduct, streak: Streak) -> bool:
    """Whether some run was free and is settled now."""
    for plan in job.ready():
        with tree.hold(plan.spec.identity.training) as hold:
            if hold is not None and job.wants(plan):
                _settle_one(job, plan, tree, observers, conduct, streak, hold)
                return True
    return False


def _settle_one(
    job: Job, plan: Planned, tree: Tree, observers: Sequence[RunObserver], conduct: Conduct, streak: Streak, hold: Hold
) -> None:
    try:
        ended = run_one(plan, tree, observers, conduct, hold)
    except GivenUp:
        job.give_up(plan)
        return
    except HoldLost as lost:
        conduct.tell(f"{plan.spec.name}: left to another machine ({lost})")
        return
    tree.share()  # who finds the run settled finds it in the store
    job.settle(plan, ended)
    streak.note(ended if isinstance(ended, Failure) else None)
