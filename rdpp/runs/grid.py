"""A job of runs that are known from the beginning, such as those of a training or of an ablation."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rdpp.config import ConfigError
from rdpp.runs.failures import Failure
from rdpp.runs.many import work
from rdpp.runs.notes import Notes, notes_folder
from rdpp.runs.one import Conduct, Outcome, Planned, RunObserver
from rdpp.runs.tree import Tree


class GridJob:
    """Runs in the order in which they should begin. It is done when each has ended, well or with a failure."""

    def __init__(
        self, planned: Sequence[Planned], notes: Notes, unusable: Mapping[str, ConfigError] | None = None
    ) -> None:
        """Args:
        planned: the runs.
        notes: shared by all processes of one command: each notes there how its runs ended.
        unusable: what is wrong with categories that cannot be used; their runs have failed already.
        """
        self.planned = [dataclasses.replace(plan, ticket=place) for place, plan in enumerate(planned)]
        self.ended: dict[int, Outcome | Failure] = {}
        """By the run's place in `planned`."""
        self._notes = notes
        for place, plan in enumerate(self.planned):
            error = (unusable or {}).get(plan.spec.category.name)
            if error is not None:
                self.ended[place] = Failure("input", str(error))

    def done(self) -> bool:
        """See `Job.done`."""
        return len(self.ended) == len(self.planned)

    def ready(self) -> list[Planned]:
        """See `Job.ready`."""
        return [plan for place, plan in enumerate(self.planned) if place not in self.ended]

    def wants(self, plan: Planned) -> bool:
        """See `Job.wants`; takes note of how the run ended in another process."""
        noted = self._noted(plan)
        if noted is not None and not noted.may_try:
            self.ended[plan.ticket] = noted.ended
        return noted is None or noted.may_try

    def settle(self, plan: Planned, ended: Outcome | Failure) -> None:
        """See `Job.settle`."""
        before = self._noted(plan)
        note = _Note(ended, tries=before.tries + 1 if before else 1)
        self._notes.put(plan.ticket, json.dumps(note.data()))
        if not note.may_try:
            self.ended[plan.ticket] = ended

    def give_up(self, plan: Planned) -> None:
        """See `Job.give_up`: nobody gives these runs up."""
        raise AssertionError(f"{plan.spec.name} was given up")

    def open_more(self) -> bool:
        """See `Job.open_more`: there is nothing else."""
        return False

    def collect(self) -> None:
        """Take note of how runs ended in other processes."""
        for plan in self.ready():
            self.wants(plan)
        assert self.done(), "the other processes work until all is done"

    @property
    def outcomes(self) -> list[Outcome]:
        """Of the runs that ended well, in order."""
        return [ended for _, ended in sorted(self.ended.items()) if isinstance(ended, Outcome)]

    @property
    def failures(self) -> list[tuple[Planned, Failure]]:
        """The others that have ended."""
        return [(self.planned[i], e) for i, e in sorted(self.ended.items()) if isinstance(e, Failure)]

    def check_some(self) -> None:
        """Raise ConfigError if no run ended well, and all failed by what a user can mend."""
        failures = [failure for _, failure in self.failures]
        if failures and len(failures) == len(self.planned) and all(f.kind == "input" for f in failures):
            raise ConfigError(failures[0].reason)

    def _noted(self, plan: Planned) -> "_Note | None":
        text = self._notes.get(plan.ticket)
        return None if text is None else _Note.from_data(json.loads(text), plan)


def work_alone(
    planned: Sequence[Planned],
    unusable: Mapping[str, ConfigError],
    tree: Tree,
    observers: Sequence[RunObserver],
    conduct: Conduct,
) -> GridJob:
    """Settle runs in this process; other processes may work at the same ones.

    Returns:
        The job, done.

    Raises:
        ConfigError: every run failed by what a user can mend.
    """
    with notes_folder(tree) as notes:
        job = GridJob(planned, notes, unusable)
        work(job, tree, observers, conduct)
    job.check_some()
    return job


@dataclass(frozen=True)
class _Note:
    """How a run ended."""

    ended: Outcome | Failure
    tries: int

    @property
    def may_try(self) -> bool:
        """Whether it failed in a way that may not happen again, and was not tried again yet."""
        return isinstance(self.ended, Failure) and self.ended.may_try(self.tries)

    def data(self) -> dict[str, Any]:
        """As JSON takes it."""
        known = {key: value for key, value in vars(self.ended).items() if key != "spec"}
        return {"failed": isinstance(self.ended, Failure), "tries": self.tries, "ended": known}

    @classmethod
    def from_data(cls, data: Mapping[str, Any], plan: Planned) -> "_Note":
        """What `data` gave."""
        ended = data["ended"]
        return cls(Failure(**ended) if data["failed"] else Outcome(spec=plan.spec, **ended), data["tries"])
