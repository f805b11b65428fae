"""What `rdpp thresholds` prints."""

from rich import box
from rich.table import Table

from rdpp.display.console import output_console
from rdpp.display.output import print_json
from rdpp.engine import RATES, Threshold, Thresholds, images_needed


def print_thresholds(found: Thresholds, *, as_json: bool) -> None:
    """A table, or JSON as it stands in the checkpoint."""
    if as_json:
        print_json(found.to_mapping())
        return
    table = Table(title=f"thresholds from {found.images} good images ({found.origin})", box=box.SIMPLE_HEAD)
    for column in ("of", "false alarms", "threshold", "expected", "90 % interval"):
        table.add_column(column, justify="left" if column == "of" else "right")
    for rate in RATES:
        table.add_row("images", *_cells(found.image_at(rate), rate, f"needs {images_needed(rate)} good images"))
    for rate in RATES:
        table.add_row("pixels", *_cells(found.pixel_at(rate), rate, "needs 2 good images"))
    output_console().print(table)


def _cells(found: Threshold | None, rate: float, lacking: str) -> list[str]:
    stated = f"{100 * rate:g} %"
    if found is None:
        return [stated, "-", lacking, "-"]
    interval = f"{100 * found.low:.2f} to {100 * found.high:.2f} %"
    return [stated, f"{found.value:.4f}", f"{100 * found.expected:.2f} %", interval]
