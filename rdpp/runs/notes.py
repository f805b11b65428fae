"""What the processes of one command tell each other: how runs ended."""

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rdpp.folders import write_whole
from rdpp.runs.tree import Tree
from rdpp.runs.work_folder import COMMAND


class Notes(Protocol):
    """A text for each run of a command, by the run's place. All its processes share them; it can be pickled."""

    def get(self, place: int) -> str | None:
        """What was put there last; None where nothing was."""
        ...

    def put(self, place: int, text: str) -> None:
        """Replace what is there. One process at a time does so at a place."""
        ...


@dataclass(frozen=True)
class FolderNotes:
    """Implements `Notes` for processes that see one folder."""

    folder: Path

    def get(self, place: int) -> str | None:
        """See `Notes.get`."""
        path = self._path(place)
        return path.read_text() if path.is_file() else None

    def put(self, place: int, text: str) -> None:
        """See `Notes.put`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_whole(self._path(place), text)

    def _path(self, place: int) -> Path:
        return self.folder / f"{place}.json"


@contextmanager
def notes_folder(tree: Tree) -> Iterator[FolderNotes]:
    """The notes of one command, in a folder that is removed at its end."""
    folder = tree.work.of(f"{COMMAND}{uuid.uuid4().hex}")
    with tree.work.lock(folder.name):  # so that `rdpp runs` knows that the command lives
        try:
            yield FolderNotes(folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
