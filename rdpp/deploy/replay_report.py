"""What a replay came to, for a person and for a program."""

from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from rdpp.deploy.replay import Replayed
from rdpp.tracking.conventions.metric_names import CHOSEN_EPOCH, TEST

_HEADLINE = (*(TEST + name for name in ("image_auroc", "pixel_auroc", "pixel_aupro")), CHOSEN_EPOCH)
_ROWS = 20


def print_replayed(found: Replayed, console: Console) -> None:
    """A table of the headline values and of those that are not equal, and the verdict."""
    if found.now is not None:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for column in ("final value", "recorded", "replayed", "difference"):
            table.add_column(column, justify="left" if column == "final value" else "right")
        for name in list(dict.fromkeys([*(n for n in _HEADLINE if n in found.recorded), *found.unequal]))[:_ROWS]:
            table.add_row(name, *_cells(found.recorded.get(name), found.now.get(name)))
        console.print(table)
        if len(found.unequal) > _ROWS:
            console.print(f"and more: {len(found.unequal)} are not equal (--json has all)", highlight=False)
    console.print(found.verdict(), highlight=False, markup=False, soft_wrap=True)


def _cells(recorded: float | None, now: float | None) -> tuple[str, str, str]:
    """With all digits: the last one counts."""
    values = ["-" if value is None else repr(value) for value in (recorded, now)]
    return values[0], values[1], "-" if recorded is None or now is None else f"{now - recorded:.3g}"


def as_data(found: Replayed) -> dict[str, Any]:
    """For JSON."""
    return {
        "run": found.run_id,
        "equal": found.equal,
        "verdict": found.verdict(),
        "tolerance": found.tolerance,
        "differences": [vars(difference) for difference in found.differences],
        "unequal": list(found.unequal),
        "recorded": dict(found.recorded),
        "replayed": None if found.now is None else dict(found.now),
    }
