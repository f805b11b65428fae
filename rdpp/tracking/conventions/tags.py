"""Names of the tags by which the parts of tracking find and tell runs; needs no MLflow.

Words that a person writes in a query (`category`, `seed`, `variant`, `trial`, `study`, `ablation`, `objective`) are
spelt where they stand.
"""

import json
from collections.abc import Mapping

LEVEL = "level"
"""What a run of MLflow's stands for: `run` is one of one category and seed; all others are parents."""
NODE = "node"
"""`Node.id`, by which a run is found again."""
ROOT = "root"
"""MLflow's id of the run at the root of the tree."""
WORK_FOLDER = "work_folder"
"""Of a run in a store that several machines may share: the id of the work folder that it is worked at in."""
TAKEN_BY = "taken_by/"
"""Beginning of the tags of a run that belongs to another tree too, which took it over instead of training it anew."""

KEY, KEY_TRAINING = "key", "key_training"
"""`Identity.key` and `Identity.training`."""
METHOD, TEACHER_FINGERPRINT = "method", "teacher_fingerprint"
TRAIN_MANIFEST, DATA_MANIFEST = "train_manifest", "data_manifest"
"""Digests of the training images, and of all of a category."""
CODE, MACHINE, MACHINE_PARTS = "code", "machine", "machine_parts"
"""What trained it: `code_digest`, `machine_digest` and `machine_parts`."""
KEEP, KEEP_MAPS = "keep", "keep_maps"
"""Which checkpoint it has, and whether it has its anomaly maps."""
HEATMAPS_KEPT = "heatmaps_kept"
"""False where its pictures were removed."""
DEAD_TERMS = "dead_terms"
"""Loss terms without a gradient, with spaces between them; `none` where there are none."""
STATE, ERROR = "state", "error"
"""How a run or a trial ended, in a word; and what failed."""

RUNS = f"tags.{LEVEL} = 'run'"
"""In a query of MLflow's: runs of one category and seed."""


def is_run(tags: Mapping[str, str]) -> bool:
    """Whether it is a run of one category and seed."""
    return tags.get(LEVEL) == "run"


def taken_by(root: str) -> str:
    """The tag of a run that belongs to another tree too: its value lists the groups (variants, trials) there."""
    return f"{TAKEN_BY}{root}"


def group_of(tags: Mapping[str, object]) -> str:
    """Of a node and of its runs: its trial or variant, by which a run that was taken over names it; else empty."""
    return str(tags.get("trial", tags.get("variant", "")))


def groups(tags: Mapping[str, str], tag: str) -> list[str]:
    """What the value of a tag `taken_by` lists; nothing where a run has no such tag."""
    return json.loads(tags.get(tag, "[]"))
