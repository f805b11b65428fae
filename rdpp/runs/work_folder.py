"""The work folder: what is not finished yet lies there, and locks in it say who works at what.

A lock is a file that the operating system locks for a process. It is free the moment that process ends, however it
ends; a process that is suspended keeps it. So there are no heartbeats, and no run is ever trained by two at once.
Processes on several machines share a work folder on a file system whose locks hold across them, such as NFS 4.
"""

import re
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from rdpp.folders import write_whole
from rdpp.runs.scratch import temporary_files_in

_LOCKS, _SCRATCH = "locks", "scratch"
_ALL, _USER, _ID = "all", "user", "id"
_UNIQUE = "[0-9a-f]" * 32

COMMAND = "command-"
"""Beginning of the names of folders that belong to one command."""
OUTBOX = "outbox"
"""The folder of what tracking has not sent yet."""


@dataclass(frozen=True)
class FileHold:
    """Implements `Hold`."""

    def check(self) -> None:
        """See `Hold.check`: the operating system takes no lock away."""


@dataclass(frozen=True)
class WorkFolder:
    """A folder with one subfolder a run that is not finished, by its `Identity.training`. Implements `Locks` for the
    processes of one machine."""

    root: Path

    def of(self, key: str) -> Path:
        """The folder of a run, or of a parent run; whoever writes into it makes it."""
        return self.root / key

    def foreign(self) -> list[str]:
        """What lies in a folder that has never been a work folder, which its `locks` would show, and is none of what
        lies in one, by name."""
        if (self.root / _LOCKS).is_dir() or not self.root.is_dir():
            return []
        ours = re.compile(rf"{_LOCKS}|{_SCRATCH}|{OUTBOX}|{_ID}|{COMMAND}.*|[0-9a-f]{{16}}")
        return sorted(path.name for path in self.root.iterdir() if not ours.fullmatch(path.name))

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Hold a lock; waits until it is free."""
        with self._lock(name):
            yield

    @contextmanager
    def lock_if_free(self, name: str) -> Iterator["FileHold | None"]:
        """Hold a lock, if no other process does; gives None if one does."""
        lock = self._lock(name)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            yield None
            return
        try:
            yield FileHold()
        finally:
            lock.release()

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Work in the folder: locks are only taken within such a block.

        Python's temporary files go to a subfolder meanwhile: what a process leaves there when it is killed, and the
        files of all locks, are removed by the last process to leave.
        """
        with self.lock(_ALL):
            own = self._lock(f"{_USER}-{uuid.uuid4().hex}")
            own.acquire()
        try:
            with temporary_files_in(self._scratch):
                yield
        finally:
            with self.lock(_ALL):
                own.release()
                Path(own.lock_file).unlink()
                if not any(self._others(_USER, "")):
                    self._clear()

    @contextmanager
    def _scratch(self) -> Iterator[Path]:
        name = f"{_SCRATCH}-{uuid.uuid4().hex}"
        with self.lock(name):
            folder = self.root / _SCRATCH / name
            folder.mkdir(parents=True)
            try:
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)
        self._file(name).unlink(missing_ok=True)

    def runs(self) -> list[Path]:
        """The folders of runs, in order; see `of`."""
        found = [folder for folder in self.root.glob("*") if folder.is_dir() and not folder.name.startswith(COMMAND)]
        return sorted(folder for folder in found if folder.name not in (_LOCKS, _SCRATCH, OUTBOX))

    def needed_for_a_while(self) -> list[Path]:
        """The folders of commands and processes, in order. Who needs one holds the lock of its name."""
        found = [*self.root.glob(f"{COMMAND}*"), *self._scratches()]
        return sorted(folder for folder in found if folder.is_dir())

    def _scratches(self) -> Iterator[Path]:
        return (self.root / _SCRATCH).glob(f"{_SCRATCH}-{_UNIQUE}")

    def _clear(self) -> None:
        """Remove what nobody needs: all that is held now is the scratch of a process that works in another folder."""
        for folder in self._scratches():
            if not self.is_locked(folder.name):
                shutil.rmtree(folder, ignore_errors=True)
        for file in (self.root / _LOCKS).glob("*.lock"):
            if file.stem != _ALL and not self.is_locked(file.stem):
                file.unlink()

    @contextmanager
    def present(self, name: str) -> Iterator[Callable[[], bool]]:
        """Be present at something within the block.

        Yields:
            Tells whether another process is present at it too.
        """
        own = f"{name}-{uuid.uuid4().hex}"
        with self.lock(own):
            yield lambda: any(self._others(name, own))
        self._file(own).unlink(missing_ok=True)

    def _others(self, name: str, own: str) -> Iterator[bool]:
        for file in (self.root / _LOCKS).glob(f"{name}-{_UNIQUE}.lock"):
            if file.stem != own:
                yield self.is_locked(file.stem)

    def is_present(self, name: str) -> bool:
        """Whether some process is present at something; makes nothing."""
        return any(self._others(name, ""))

    def is_locked(self, name: str) -> bool:
        """Whether some process holds a lock at this moment; makes nothing."""
        if not self._file(name).is_file():
            return False
        with self.lock_if_free(name) as free:
            return free is None

    def free_locks(self) -> int:
        """Files of locks that nobody holds."""
        return sum(not self.is_locked(file.stem) for file in (self.root / _LOCKS).glob("*.lock"))

    def known_id(self) -> str | None:
        """What `id` gives; None where nobody has asked for it yet."""
        file = self.root / _ID
        return file.read_text() if file.is_file() else None

    def id(self) -> str:
        """Tells this folder from those of other machines, by which path it is reached whatever."""
        with self.lock(_ID):
            if self.known_id() is None:
                write_whole(self.root / _ID, uuid.uuid4().hex)
            return (self.root / _ID).read_text()

    def _lock(self, name: str) -> FileLock:
        file = self._file(name)
        file.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(file)

    def _file(self, name: str) -> Path:
        return self.root / _LOCKS / f"{name}.lock"
