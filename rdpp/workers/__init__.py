"""Several processes at one job, each with its own device and its share of the machine."""

from rdpp.workers.crew import WorkerFailed, run_crew
from rdpp.workers.member import Member, members

__all__ = ["Member", "WorkerFailed", "members", "run_crew"]
