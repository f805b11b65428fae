"""Work done in threads while its results are used, in order and with bounded memory."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

from rdpp.kernels.threads import usable_cores

Item = TypeVar("Item")
Made = TypeVar("Made")
_MOST_THREADS = 8
_LARGE = 20_000_000
"""Pixels of an image that one thread at a time works at: as float32 it takes a quarter of a gigabyte and more."""
_working_at_large = threading.RLock()


def ahead(function: Callable[[Item], Made], items: Iterable[Item], most: int) -> Iterator[Made]:
    """The function's results in the items' order, up to `most` of them computed or in work before they are wanted.

    What the function raises is raised when its turn comes; what waits then is dropped.
    """
    waiting: deque[Future[Made]] = deque()
    pool = ThreadPoolExecutor(min(usable_cores(), _MOST_THREADS))
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) >= most:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def alone_if_large(height: int, width: int) -> AbstractContextManager[object]:
    """While the block lasts, no other thread works at a large image, if this image is one: memory stays bounded."""
    return _working_at_large if height * width >= _LARGE else nullcontext()
