"""Many runs: listed, opened under a parent, trained by any number of processes, taken over where they are finished."""

from rdpp.runs.failures import MOST_IN_A_ROW, EndsWork, Failure, goes_on
from rdpp.runs.grid import GridJob, work_alone
from rdpp.runs.locks import Hold, HoldLost, Locks, run_lock
from rdpp.runs.many import Job, work
from rdpp.runs.notes import FolderNotes, Notes, notes_folder
from rdpp.runs.one import STATE, Conduct, Outcome, Planned, RunFailed, RunObserver, TakenOver, run_one
from rdpp.runs.summary import means, seed_spread, summary
from rdpp.runs.training import TrainAll, opened, train_grid, usable_of
from rdpp.runs.tree import Finished, Node, Recorder, Tree, is_finished
from rdpp.runs.views import CONFIRMED, DURATION, Chart, Column, View
from rdpp.runs.work_folder import WorkFolder

__all__ = [
    "CONFIRMED",
    "DURATION",
    "MOST_IN_A_ROW",
    "STATE",
    "Chart",
    "Column",
    "Conduct",
    "EndsWork",
    "Failure",
    "Finished",
    "FolderNotes",
    "GridJob",
    "Hold",
    "HoldLost",
    "Job",
    "Locks",
    "Node",
    "Notes",
    "Outcome",
    "Planned",
    "Recorder",
    "RunFailed",
    "RunObserver",
    "TakenOver",
    "TrainAll",
    "Tree",
    "View",
    "WorkFolder",
    "goes_on",
    "is_finished",
    "means",
    "notes_folder",
    "opened",
    "run_lock",
    "run_one",
    "seed_spread",
    "summary",
    "train_grid",
    "usable_of",
    "work",
    "work_alone",
]
