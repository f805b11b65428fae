"""`rdpp export`: a model into a file, and how it compares."""

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from rdpp.deploy.export import Exported, export, export_official
from rdpp.deploy.files import images_of
from rdpp.deploy.model import load
from rdpp.display.console import output_console
from rdpp.display.output import print_json

_CHECKED = 8
"""Images that a program is checked on."""


def run_export(
    source: str,
    kind: str,
    out: Path,
    images: Sequence[str],
    changes: Mapping[str, Any],
    tracking_uri: str | None,
    *,
    as_json: bool,
) -> None:
    """Write the file and print what it is.

    Raises:
        ConfigError: see `rdpp.deploy.export`.
    """
    if kind == "official":
        export_official(source, tracking_uri, out)
        print_json({"path": str(out)}) if as_json else output_console().print(f"{out} written", markup=False)
        return
    model = load(source, "cpu", tracking_uri, changes=changes)
    found = export(model, images_of(images, sys.stdin, out)[:_CHECKED], kind, out)
    if as_json:
        print_json({**dataclasses.asdict(found), "path": str(found.path)})
    else:
        _print(found)


def _print(found: Exported) -> None:
    console = output_console()
    console.print(
        f"{found.path}: {found.megabytes:.1f} MB; differs from the network by at most {found.difference:.1g} on "
        f"{found.images} images",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    table = Table(title="milliseconds an image, on this CPU", box=box.SIMPLE_HEAD)
    for column in ("images at a time", "network", "exported", "times as fast"):
        table.add_column(column, justify="right")
    for count, (own, exported) in found.milliseconds.items():
        table.add_row(str(count), f"{own:.1f}", f"{exported:.1f}", f"{own / exported:.2f}")
    console.print(table)
