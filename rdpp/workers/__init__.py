"""Several workers at one job, each with its own device and its share of a machine, or on a Ray cluster."""

from rdpp.workers.grid import train, work_at_grid
from rdpp.workers.member import Member, members
from rdpp.workers.options import WorkOptions
from rdpp.workers.team import Team
from rdpp.workers.watch import WorkerFailed

__all__ = ["Member", "Team", "WorkOptions", "WorkerFailed", "members", "train", "work_at_grid"]
