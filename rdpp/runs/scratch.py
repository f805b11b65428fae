"""Where Python's temporary files go, whichever library makes them."""

import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

_changing = threading.Lock()
_end = ExitStack()
_users = 0


@contextmanager
def temporary_files_in(make: Callable[[], AbstractContextManager[Path]]) -> Iterator[None]:
    """Let temporary files go to a folder within the block.

    A process has one place for them. So blocks that overlap, in several threads for instance, share the folder of the
    first, and it is needed until the last of them ends.

    Args:
        make: gives a folder, and removes it in the end.
    """
    global _users
    with _changing:
        if _users == 0:
            tempfile.tempdir = str(_end.enter_context(make()))
        _users += 1
    try:
        yield
    finally:
        with _changing:
            _users -= 1
            if _users == 0:
                tempfile.tempdir = None  # Python's own
                _end.close()


@contextmanager
def temporary_files_of_the_system(longest: int) -> Iterator[None]:
    """Let temporary files go to the system's own folder within the block.

    Args:
        longest: in characters; /tmp takes the place of a folder whose path is longer.
    """
    with _changing:
        before, tempfile.tempdir = tempfile.tempdir, None
        try:
            if len(tempfile.gettempdir()) > longest:
                tempfile.tempdir = "/tmp"
            yield
        finally:
            tempfile.tempdir = before
