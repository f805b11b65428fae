"""What the commands that train have in common, besides what they train."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from rdpp.addresses import is_postgresql
from rdpp.display.screen import Screen
from rdpp.experiment import ExperimentConfig
from rdpp.runs import Conduct
from rdpp.stopping import Stop
from rdpp.tracking.conventions.location import storage_url
from rdpp.tracking.outbox.delivery import tell
from rdpp.tracking.tree import MlflowTree
from rdpp.workers.member import members
from rdpp.workers.team import LocalTeam, Team


@dataclass(frozen=True, kw_only=True)
class WorkOptions:
    """Where runs are kept, who works at them, and which are trained anew. It is handed to workers."""

    tracking_uri: str | None = None
    storage: str | None = None
    """Of Optuna; see `storage_url`. With one of PostgreSQL several machines share the work, by its locks."""
    workers: int | None = None
    devices: Sequence[str] | None = None
    per_device: int | None = None
    ray: str | None = None
    """Address of a Ray cluster, on which they work."""
    since: float = 0.0
    """Runs that finished before this time (time.time()) are trained anew."""
    changed_code: bool = False
    """Whether stopped runs go on though the deciding code has changed."""

    @contextmanager
    def team(self, experiment: ExperimentConfig) -> Iterator[Team]:
        """The workers; see `members`, or `ray_members` on a Ray cluster, which is joined while the block lasts.

        Raises:
            ConfigError: numbers or devices that cannot be, or a cluster that cannot be joined or used.
        """
        wanted = {"workers": self.workers, "devices": self.devices, "per_device": self.per_device}
        if self.ray is None:
            yield LocalTeam(members(experiment, **wanted))
            return
        from rdpp.workers.ray_cluster import ray_team

        with ray_team(self.ray, experiment, self.storage, self.tracking_uri, **wanted) as team:
            yield team

    def tree(self, *, must_be_there: bool = True, tell: Callable[[str], None] = tell) -> MlflowTree:
        """Where runs are kept; see `MlflowTree`."""
        storage = storage_url(self.storage)
        locks_url = storage if is_postgresql(storage) else None
        return MlflowTree(self.tracking_uri, locks_url=locks_url, must_be_there=must_be_there, tell=tell)

    def conduct(self, stop: Stop, screen: Screen) -> Conduct:
        """How a process that shows what it does on a screen works at runs."""
        return Conduct(stop=stop, since=self.since, changed_code=self.changed_code, tell=screen.line)
