"""`rdpp predict`: images in, a table and maps out."""

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rdpp.config import require
from rdpp.deploy.ahead import ahead
from rdpp.deploy.files import images_of, own_names
from rdpp.deploy.model import load
from rdpp.deploy.writing import MapWriter, Row, Table
from rdpp.display.predictions import print_predictions, progress
from rdpp.folders import ensure_writable

_MAPS_AHEAD = 8
"""Predictions whose maps are being written while the next are made."""


@dataclass(frozen=True, kw_only=True)
class PredictOptions:
    """What `rdpp predict` was asked for."""

    images: Sequence[str]
    model: str
    out: Path
    rate: float
    threshold: float | None
    maps: Sequence[str]
    batch_size: int | None
    device: str
    tracking_uri: str | None
    changes: Mapping[str, Any]
    as_json: bool


def run_predict(options: PredictOptions) -> int:
    """Judge images and write what was found.

    Returns:
        1 where an image could not be read, else 0.

    Raises:
        ConfigError: no model, no images, or flags that do not fit.
    """
    require(options.batch_size is None or options.batch_size >= 1, f"--batch-size is {options.batch_size}; at least 1")
    images = images_of(options.images, sys.stdin, options.out)
    model = load(options.model, options.device, options.tracking_uri, changes=options.changes)
    if options.threshold is None and (why := model.why_no_verdict(options.rate)):
        print(f"rdpp: {why}", file=sys.stderr)
    ensure_writable(options.out, "give another folder with --out")
    write = MapWriter(options.out, options.maps, model.decoded)
    began, rows = time.perf_counter(), list[Row]()
    found = model.stream(images, options.rate, threshold=options.threshold, batch_size=options.batch_size)
    named = zip(own_names(images), found, strict=True)
    with Table(options.out) as table, progress(len(images)) as advance:
        for row in ahead(write, named, _MAPS_AHEAD):
            table.add(row)
            rows.append(row)
            advance()
    seconds = time.perf_counter() - began
    print_predictions(rows, options.out, seconds, as_json=options.as_json)
    return int(any("error" in row for row in rows))
