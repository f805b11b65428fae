"""Several processes at one job, each with its own device and its share of the machine."""

from rdpp.workers.crew import WorkerFailed, run_crew
from rdpp.workers.grid import train, work_at_grid
from rdpp.workers.member import Member, members
from rdpp.workers.options import WorkOptions

__all__ = ["Member", "WorkOptions", "WorkerFailed", "members", "run_crew", "train", "work_at_grid"]
