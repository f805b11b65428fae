"""Names, colours and descriptions of runs in MLflow's UI."""

import colorsys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from rdpp.engine import RunSpec

if TYPE_CHECKING:
    from rdpp.tracking.store.mlflow_store import Store

COLOUR = "mlflow.runColor"
"""Tag of a run: its colour in lists and charts of MLflow's UI."""
DESCRIPTION = "mlflow.note.content"
"""Tag of a run: what MLflow's UI shows on its page, in Markdown."""
_STEP = 0.618034
"""Of a turn of the colour wheel: the golden section, by which no two of the next dozen lie close to each other."""


def trial_name(number: int | str) -> str:
    """`trial 7`."""
    return f"trial {int(number)}"


def leaf_name(spec: RunSpec, tags: Mapping[str, object]) -> str:
    """`trial 7 · screw · seed 1`; in an ablation the variant stands first, and in plain training nothing.

    Args:
        spec: of the run.
        tags: of its place in the tree.
    """
    place: list[str] = []
    if "trial" in tags:
        place = [trial_name(str(tags["trial"]))]
    elif "ablation" in tags:
        place = [str(tags["variant"])]
    return " · ".join([*place, spec.category.name, f"seed {spec.seed}"])


def add_to_description(store: "Store", run_id: str, paragraph: str) -> None:
    """Put a paragraph at the end of what a run's page says, unless it stands there already."""
    said = store.client.get_run(run_id).data.tags.get(DESCRIPTION, "")
    if paragraph not in said:
        store.set_tags(run_id, {DESCRIPTION: f"{said}\n\n{paragraph}".strip()})


def colour(number: int) -> str:
    """The colour of a trial or of a variant, by its number from 0.

    >>> colour(0)
    '#3375bd'
    """
    hue = (0.587 + number * _STEP) % 1
    red, green, blue = (round(255 * part) for part in colorsys.hls_to_rgb(hue, 0.47, 0.575))
    return f"#{red:02x}{green:02x}{blue:02x}"
