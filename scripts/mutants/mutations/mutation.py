"""What a mutation is."""

from typing import NamedTuple


class Mutation(NamedTuple):
    """One change to one file, and the tests that must notice it."""

    name: str
    file: str
    old: str
    """Occurs exactly once in the file."""
    new: str
    tests: str
    """Arguments of pytest."""
