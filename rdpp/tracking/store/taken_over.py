"""Runs that belong to another tree too, which took them over instead of training them anew: their tags say so."""

import json
from collections.abc import Mapping

TAKEN_BY = "taken_by/"
"""Beginning of the tags of such a run."""


def taken_by(root: str) -> str:
    """The tag of a run that belongs to another tree too: its value lists the groups (variants, trials) there."""
    return f"{TAKEN_BY}{root}"


def groups(tags: Mapping[str, str], tag: str) -> list[str]:
    """What the value of a tag `taken_by` lists; nothing where a run has no such tag."""
    return json.loads(tags.get(tag, "[]"))
