"""Results of finished runs as a file that travels: values, not artifacts.

A store that takes them in has them as runs of its own. They are found by their keys, so that nothing is trained twice.
The file has a line of JSON a run, compressed by gzip; `pandas.read_json(file, lines=True)` reads it too.
"""

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlflow.entities import Run

from rdpp.config import ConfigError, require
from rdpp.folders import ensure_writable_file, write_whole
from rdpp.metrics import METRICS
from rdpp.provenance import code_tags
from rdpp.tracking.conventions.metric_names import (
    AUDIT,
    COUNTS,
    GAP,
    HELD_OUT,
    IMAGES_PER_SECOND,
    PEAK_MEMORY,
    SECONDS,
    SELECTED,
    TEST,
    THRESHOLD,
    names_of_today,
)
from rdpp.tracking.conventions.names import from_key
from rdpp.tracking.conventions.schema import SCHEMA
from rdpp.tracking.conventions.tags import KEEP, KEEP_MAPS, LEVEL, NODE, ROOT, RUNS, TAKEN_BY, WORK_FOLDER
from rdpp.tracking.reading.finished import evaluations_of, evaluations_under
from rdpp.tracking.store.listing import StoredRun
from rdpp.tracking.store.mlflow_store import Store, check_schema

ORIGIN = "origin"
"""Tag of a run that was taken in: the id that it has where it was trained."""
IMPORT = "import"
"""Level of the run under which they stand."""
_FINISHED = f"{RUNS} and attributes.status = 'FINISHED'"
_RESULTS = (TEST, SELECTED, GAP, THRESHOLD)
_TOOK = (*COUNTS, SECONDS, IMAGES_PER_SECOND, PEAK_MEMORY)
_LEFT_OUT = ("mlflow.", TAKEN_BY, ROOT, NODE, WORK_FOLDER)
"""Beginnings of tags that say where a run stands in its own store."""
_KEYS = {"run", "name", "started", "ended", "tags", "params", "metrics", "evaluations"}
_AUDITS = "audits"
"""A key that lines of earlier versions lack."""


def export_runs(store: Store, file: Path, query: str | None = None) -> int:
    """Write the results of finished runs to a file.

    Args:
        store: where they are.
        file: to be written.
        query: of which runs, in MLflow's language, such as `tags.ablation = 'demo-ablation'`; None for all.

    Returns:
        How many there are.

    Raises:
        ConfigError: none, a query that MLflow does not understand, or no file can be written there.
    """
    ensure_writable_file(file, "give another file")
    runs = store.search(_FINISHED + (f" and {query}" if query else ""))
    require(bool(runs), f"no finished run answers {query or _FINISHED}; see what is there with rdpp ui")
    lines = [json.dumps(_line(store, run), sort_keys=True) for run in reversed(runs)]
    write_whole(file, gzip.compress("".join(f"{line}\n" for line in lines).encode(), mtime=0))
    return len(lines)


def import_runs(store: Store, file: Path) -> tuple[int, int]:
    """Take in the results of a file; those that are there already are passed over.

    Args:
        store: to be filled.
        file: that `export_runs` wrote.

    Returns:
        How many were taken in, and how many were there.

    Raises:
        ConfigError: a file that cannot be read, or of a newer version. Then nothing is taken in.
    """
    lines = list(_lines(file))
    here = {run.data.tags.get(ORIGIN, run.info.run_id) for run in store.search(_FINISHED)}
    new = [line for line in lines if line["run"] not in here]
    if new:
        parent = store.start_run(f"imported from {file.name}", tags={LEVEL: IMPORT, "file": str(file)})
        for line in new:
            _take_in(store, parent, line)
        store.end_run(parent, "FINISHED", {})
    return len(new), len(lines) - len(new)


def _line(store: Store, run: Run) -> dict[str, Any]:
    data, info = run.data, run.info
    tags = {from_key(k): v for k, v in data.tags.items() if not k.startswith(_LEFT_OUT)}
    wanted = {k: v for k, v in StoredRun.of(run).metrics.items() if k.startswith(_RESULTS) or k in _TOOK}
    return {
        "run": data.tags.get(ORIGIN, info.run_id),
        "name": info.run_name,
        "started": info.start_time,
        "ended": info.end_time,
        "tags": {**tags, "schema": str(SCHEMA)},  # the metrics have its names
        "params": {from_key(k): v for k, v in data.params.items()},
        "metrics": {from_key(k): v for k, v in wanted.items()},
        "evaluations": _known(evaluations_of(store, run)),
        _AUDITS: _known(evaluations_under(store, run, AUDIT)),
    }


def _known(evaluations: Sequence[tuple[int, Mapping[str, float]]]) -> list[tuple[int, dict[str, float]]]:
    """Without NaN, which JSON does not have."""
    return [(epoch, {name: value for name, value in found.items() if value == value}) for epoch, found in evaluations]


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    """What was exported, checked."""
    try:
        texts = gzip.decompress(file.read_bytes()).decode().splitlines()
        lines = [json.loads(text) for text in texts]
    except (FileNotFoundError, IsADirectoryError):
        raise ConfigError(f"there is no file {file}; rdpp runs export writes such a file") from None
    except (gzip.BadGzipFile, zlib.error, EOFError, ValueError) as error:
        raise ConfigError(f"{file} is no file of rdpp runs export ({error}); export it anew") from None
    for line in lines:
        known = isinstance(line, dict) and line.keys() - {_AUDITS} == _KEYS
        require(known, f"{file} is no file of rdpp runs export; its lines need {', '.join(sorted(_KEYS))}")
        check_schema(line["run"], line["tags"])
        yield line


def _take_in(store: Store, parent: str, line: Mapping[str, Any]) -> None:
    """A run with its own times. It has no checkpoint and no maps here, whatever it kept where it was trained."""
    metrics = names_of_today(line["metrics"], line["tags"])
    watched = HELD_OUT if any(name.startswith(SELECTED) for name in metrics) else ""
    of_epochs = [
        (prefix + name, value, epoch)
        for prefix, evaluations in ((watched, line["evaluations"]), (AUDIT, line.get(_AUDITS, ())))
        for epoch, found in evaluations
        for name, value in found.items()
        if name in METRICS
    ]
    tags = {**dict.fromkeys(code_tags(), ""), **line["tags"], "schema": SCHEMA, ORIGIN: line["run"]}
    tags |= {KEEP: "none", KEEP_MAPS: False}
    run_id = store.start_run(line["name"], parent=parent, tags=tags, started=line["started"])
    store.log_params(run_id, line["params"])
    # an earlier version's file has the last value of each series of audits too
    last = [(name, value, 0) for name, value in metrics.items() if not name.startswith(AUDIT)]
    store.log_series(run_id, [*of_epochs, *last])
    store.end_run(run_id, "FINISHED", {}, line["ended"])
