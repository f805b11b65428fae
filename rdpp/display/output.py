"""Standard output holds results and nothing else; what a library prints there goes to standard error."""

import contextlib
import json
import sys
from collections.abc import Iterator
from typing import Any, TextIO

_given: list[TextIO] = []
"""Standard output as it was before `results_alone`."""


@contextlib.contextmanager
def results_alone() -> Iterator[None]:
    """While the block lasts, all that is printed goes to standard error, but what is written to `results()`."""
    _given.append(sys.stdout)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        _given.pop()


def results() -> TextIO:
    """Where results are written: standard output."""
    return _given[0] if _given else sys.stdout


def print_json(data: Any) -> None:
    """Print results as JSON."""
    print(json.dumps(data, indent=1), file=results())
