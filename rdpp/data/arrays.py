"""Arrays that are written row by row, into room that is reserved for them first."""

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""No room on the disk, in the user's quota, or for a file of this size."""


@contextmanager
def array_file(path: Path, shape: tuple[int, ...], dtype: DTypeLike) -> Iterator[Callable[[np.ndarray], None]]:
    """A new .npy file, and what appends the next row to it. On leaving, all rows are on the disk.

    The file is written, not mapped: a disk that is full raises OSError, where writing to a map would kill the process.

    Args:
        path: of the file.
        shape: of the array; its first axis counts the rows.
        dtype: of the array.

    Raises:
        OSError: no room for the array, before anything but its header is written.
    """
    kind = np.dtype(dtype)
    with path.open("wb") as file:
        header = {"descr": np.lib.format.dtype_to_descr(kind), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        size = file.tell() + kind.itemsize * int(np.prod(shape))
        _reserve(path, file.fileno(), size)

        def append(row: np.ndarray) -> None:
            assert row.shape == shape[1:]
            file.write(np.ascontiguousarray(row, kind).data)

        yield append
        assert file.tell() == size, "rows are missing"
        file.flush()
        os.fsync(file.fileno())


def _reserve(path: Path, descriptor: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    elif shutil.disk_usage(path.parent).free < size:  # macOS, Windows: nothing is reserved, but the disk is asked
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def is_full(error: OSError) -> bool:
    """Whether there was no room."""
    return error.errno in _FULL
