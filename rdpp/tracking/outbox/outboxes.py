"""Outboxes: what is not in MLflow yet lies on disk, a folder a node and in it a file a record.

    work/outbox/STORE/NODE/records/     what waits to be sent, in the order of the files' names
                          sent          names of the records that were sent and shall not be sent again
                          checkpoint/   of a run
                          states/       of a run, that wait to be sent
                          result.json   of a run that has finished

A node's folder is named after it; that of a run of one category and seed also after `Identity.training`, so that it is
found again. It is removed when the node is closed and all of it has been sent.
"""

import os
import re
import shutil
import time
import uuid
from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rdpp.folders import write_whole
from rdpp.runs import Hold
from rdpp.runs.work_folder import OUTBOX, WorkFolder
from rdpp.tracking.conventions.artifacts import CHECKPOINT
from rdpp.tracking.conventions.location import sqlite_file
from rdpp.tracking.outbox.records import Kind, Record, read_record, write_record

RESULT = "result.json"
_RECORDS, _SENT, _REFUSED = "records", "sent", ".refused"
_OPEN, _CHECKPOINT, _NO_STATE, _PAUSE, _OVER = "0-open", "4-checkpoint", "4-no-state", "5-pause", "5-over"
"""Beginnings of the names of a run's records; those that its observer puts come between the first two."""
_STATES, _STATE = "states", "-~state-"  # ~ comes after all that an event puts


@dataclass(frozen=True)
class Outbox:
    """The folder of one node."""

    folder: Path

    @property
    def node(self) -> str:
        """`Node.id`."""
        return self.folder.name.rpartition("-")[2]

    @property
    def training(self) -> str | None:
        """`Identity.training` of a run; None of a parent."""
        return self.folder.name.rpartition("-")[0] or None

    @property
    def records(self) -> Path:
        """The folder of the records."""
        return self.folder / _RECORDS

    def put(self, kind: Kind, payload: Mapping[str, Any], name: str | None = None) -> None:
        """Write a record at the end of the line. It survives the process and the machine.

        Args:
            kind, payload: see `Record`.
            name: decides its place among the others. If a record of that name was sent or still waits, nothing is put:
                MLflow may have the one that waits, and knows it again by its time alone. By default the time is the
                name: it is a record of its own.
        """
        now = time.time_ns()
        path = self.records / (name or f"{now:020d}-{os.getpid()}-{kind}")
        if name is not None and (path.exists() or name in self.sent()):  # one that was sent vanishes after its note
            return
        while True:  # whoever sends all that is in the folder removes it
            try:
                self.records.mkdir(parents=True, exist_ok=True)
                write_record(path, kind, payload, now // 1_000_000, self.records)
                return
            except FileNotFoundError:  # just now
                continue
            except FileExistsError:  # after mkdir had met it, and before it looked whether it is a folder
                if self.records.is_file():
                    raise

    def open(self, name: str, parent: str | None, tags: Mapping[str, str]) -> None:
        """Put what opens the node. A run that goes on has no end yet."""
        for path in self.waiting() if self.training else ():
            if path.name.startswith((_CHECKPOINT, _PAUSE, _OVER)):
                path.unlink(missing_ok=True)
        payload = {"name": name, "parent": parent, "tags": dict(tags)}
        self.put("open", payload, self._anew(_OPEN))

    def put_state(self, state: Path, batch: int, event: str) -> None:
        """Put a copy of a run's state, to be sent after all that was put until now.

        Args:
            state: its folder; the copy's files are links to it.
            batch: after which it was saved.
            event: beginning of the names of the records that come now.
        """
        name = f"{event}{_STATE}{batch:09d}"
        copy = self.folder / _STATES / name
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(state, copy, copy_function=os.link)
        self.put("state", {"path": f"{_STATES}/{name}", "batch": batch}, name)

    def drop_states(self) -> None:
        """Send no earlier state any more. The caller holds the outbox, so that none is being sent."""
        for path in self.waiting():
            if _STATE in path.name:
                path.unlink(missing_ok=True)
        shutil.rmtree(self.folder / _STATES, ignore_errors=True)

    def remove_states(self) -> None:
        """Put that the run's states are of no use any more."""
        self.put("state", {"path": None, "batch": 0}, self._anew(_NO_STATE))

    def close(self, status: str, tags: Mapping[str, str], *, over: bool = True) -> None:
        """Put the last records: a run's checkpoint, and the end.

        Args:
            status: MLflow's.
            tags: last ones.
            over: a run will not go on; else its checkpoint stays here.
        """
        if over and (self.folder / CHECKPOINT).is_dir():
            self.put("folder", {"path": CHECKPOINT}, self._anew(_CHECKPOINT))
        self.put("close", {"status": status, "tags": dict(tags)}, self._anew(_OVER if over else _PAUSE))

    def is_over(self) -> bool:
        """Whether a run's last record was put, so that nothing comes any more. Of a parent nobody knows."""
        return any(name.startswith(_OVER) for name in (*(path.name for path in self.waiting()), *self.sent()))

    def _anew(self, beginning: str) -> str | None:
        """A name that no record had before; a parent's records have none."""
        return f"{beginning}-{time.time_ns():020d}" if self.training else None

    def waiting(self) -> list[Path]:
        """The files of the records, in order."""
        with suppress(FileNotFoundError):
            names = [name for name in os.listdir(self.records) if not name.startswith(".")]
            return [self.records / name for name in sorted(names) if not name.endswith(_REFUSED)]
        return []

    def refused(self) -> bool:
        """Whether MLflow refused a record that lies here."""
        return any(self.records.glob(f"*{_REFUSED}"))

    def read(self, path: Path) -> Record:
        """The record of a file."""
        return read_record(path, self.node, self.folder)

    def sent(self) -> set[str]:
        """Names that are not to be sent again."""
        with suppress(FileNotFoundError):
            return set((self.folder / _SENT).read_text().split())
        return set()

    def note_sent(self, path: Path) -> None:
        """Remove the file of a record that was sent; if it has a name of its own, remember that."""
        if self.training:  # a parent's records have names that come once
            with (self.folder / _SENT).open("a") as file:
                file.write(f"{path.name}\n")
                file.flush()
                os.fsync(file.fileno())
        path.unlink(missing_ok=True)

    def refuse(self, path: Path) -> Path:
        """Set a record aside that MLflow does not take; nothing is lost."""
        return path.rename(path.with_name(path.name + _REFUSED))

    def remove(self) -> None:
        """Remove the folder if nothing in it is needed any more: all was sent, and of a run nothing comes after.

        A process that is killed at any moment of this leaves what the next one removes: the note that the run is over
        goes last.
        """
        if self.waiting() or self.refused():
            return
        with suppress(OSError):
            if self.training and not self.is_over():
                self.folder.rmdir()  # empty: a process was killed before the last line
                return
            if self.records.is_dir():
                for begun in self.records.glob(".*"):  # by a process that was killed; one that lives writes it again
                    begun.unlink(missing_ok=True)
                self.records.rmdir()  # fails if there is a record in it
            if self.training:
                for path in sorted(self.folder.iterdir(), key=lambda path: path.name == _SENT):
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
            self.folder.rmdir()  # fails if another process has put a record meanwhile


@dataclass(frozen=True)
class Outboxes:
    """All nodes of one store that are not wholly in it."""

    root: Path
    work: WorkFolder

    @classmethod
    def of(cls, work: WorkFolder, uri: str) -> "Outboxes":
        """Of the store with this address; several stores may share a work folder."""
        file = sqlite_file(uri)
        parts = urlsplit(uri)
        place = file.name if file is not None else f"{parts.hostname}-{parts.port or ''}{parts.path}"
        return cls(work.of(OUTBOX) / re.sub(r"[^\w.]+", "-", place), work)

    def of_node(self, node: str, training: str | None = None) -> Outbox:
        """The outbox of a parent, or of a run of one category and seed."""
        return Outbox(self.root / (f"{training}-{node}" if training else node))

    def find(self, node: str) -> Outbox | None:
        """The outbox of a node, if there is one."""
        found = [box for box in self.all() if box.node == node]
        return found[0] if found else None

    def all(self) -> list[Outbox]:
        """Every outbox, in an order that does not change."""
        return [Outbox(folder) for folder in sorted(self.root.glob("*")) if folder.is_dir()]

    def of_training(self, training: str) -> list[Outbox]:
        """The outboxes of all runs with this `Identity.training`."""
        return [box for box in self.all() if box.training == training]

    def lock(self, outbox: Outbox) -> AbstractContextManager[None]:
        """Let no other process send what is in an outbox; waits."""
        return self.work.lock(_lock_name(outbox))

    def lock_if_free(self, outbox: Outbox) -> AbstractContextManager[Hold | None]:
        """The same without waiting; gives None if another process holds it."""
        return self.work.lock_if_free(_lock_name(outbox))

    def count(self) -> int:
        """Records that wait."""
        return sum(len(box.waiting()) for box in self.all())


def _lock_name(outbox: Outbox) -> str:
    return f"deliver-{outbox.folder.name}"


@dataclass(frozen=True)
class Home:
    """The folder of a run in the work folder, as far as tracking is concerned: it says which node the run is."""

    folder: Path

    def node(self) -> str:
        """The run's node: the one that it had before it was interrupted, or a new one."""
        return self.known() or self.new_node()

    def known(self) -> str | None:
        """The node that it had; None where it has none yet."""
        with suppress(FileNotFoundError):
            return (self.folder / "node").read_text()
        return None

    def new_node(self) -> str:
        """A node that the run is from now on."""
        return self.become(uuid.uuid4().hex)

    def become(self, node: str) -> str:
        """The same, a given one."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_whole(self.folder / "node", node)
        return node

    def leave(self, node: str) -> None:
        """Remove the folder of a run that is over, with its state; not if it has begun anew."""
        with suppress(FileNotFoundError):
            if (self.folder / "node").read_text() == node:
                shutil.rmtree(self.folder)
