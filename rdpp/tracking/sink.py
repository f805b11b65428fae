"""Records into MLflow: one short function a kind of record. Runs in the tracking thread alone."""

import json
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from mlflow.entities import Dataset, DatasetInput, InputTag
from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

from rdpp.tracking.figures import Scale, heatmap
from rdpp.tracking.maps import log_maps
from rdpp.tracking.names import key_of
from rdpp.tracking.records import Record
from rdpp.tracking.store import Store

_AT_ONCE = 2  # pictures drawn and logged


class StoreSink:
    """Writes records to a store, and knows under which id it keeps each run."""

    def __init__(self, store: Store, *, system_metrics_interval: int = 5) -> None:
        self.store = store
        self.run_ids: dict[str, str] = {}
        """MLflow's run id by `Node.local_id`."""
        self._roots: dict[str, str] = {}
        self._monitors: dict[str, SystemMetricsMonitor] = {}
        self._interval = system_metrics_interval

    def write(self, record: Record, failure: BaseException | None) -> None:
        """See `Sink.write`."""
        if record.kind == "open":
            self._open(record.run, **record.payload)
        elif record.kind == "take_over":
            self._take_over(record.run, **record.payload)
        elif record.run in self.run_ids:  # else it could not even be opened
            if record.kind == "close":
                self._close(record.run, failure, **record.payload)
            else:
                _KINDS[record.kind](self.store, self.run_ids[record.run], **record.payload)

    def _open(
        self, run: str, *, name: str, parent: str | None, tags: Mapping[str, Any], resume: str | None, monitor: bool
    ) -> None:
        above = None if parent is None else self.run_ids[parent]
        own = tags if parent is None else {**tags, "root": self._roots[parent]}
        run_id = self.store.start_run(name, parent=above, tags=own, resume=resume)
        self.run_ids[run] = run_id
        self._roots[run] = run_id if parent is None else self._roots[parent]
        if monitor:
            self._monitors[run] = SystemMetricsMonitor(
                run_id, sampling_interval=self._interval, samples_before_logging=1, tracking_uri=self.store.uri
            )
            self._monitors[run].start()

    def _take_over(self, run: str, *, finished: str, tags: Mapping[str, Any], group: str) -> None:
        """If the finished run stands under this parent already, its tags are updated; otherwise it gets a tag that
        names the root of the tree that took it over."""
        known = self.store.client.get_run(finished).data.tags
        if known.get("mlflow.parentRunId") == self.run_ids[run]:
            self.store.set_tags(finished, tags)
        else:
            tag = taken_by(self._roots[run])
            all_groups = dict.fromkeys([*groups(known, tag), group])
            self.store.set_tags(finished, {tag: json.dumps(list(all_groups))})

    def _close(self, run: str, failure: BaseException | None, *, status: str, tags: Mapping[str, Any]) -> None:
        if run in self._monitors:
            self._monitors.pop(run).finish()
        if status == "FINISHED" and failure is not None:
            status, tags = "FAILED", {"error": f"{type(failure).__name__}: {failure}"[:500]}
        self.store.end_run(self.run_ids[run], status, tags)


def taken_by(root: str) -> str:
    """The tag of a run that belongs to another tree too: its value lists the groups (variants, trials) there."""
    return f"taken_by/{root}"


def groups(tags: Mapping[str, str], tag: str) -> list[str]:
    """What the value of a tag `taken_by` lists; nothing where a run has no such tag."""
    return json.loads(tags.get(tag, "[]"))


def _text(store: Store, run_id: str, *, path: str, text: str) -> None:
    store.client.log_text(run_id, text, path)


def _json(store: Store, run_id: str, *, path: str, data: Any) -> None:
    store.client.log_dict(run_id, data, path)


def _table(store: Store, run_id: str, *, path: str, columns: Mapping[str, Any]) -> None:
    store.client.log_table(run_id, dict(columns), path)


def _dataset(store: Store, run_id: str, *, name: str, digest: str, folder: str, profile: Mapping[str, int]) -> None:
    source = json.dumps({"uri": folder})
    dataset = Dataset(name, digest, "local", source, profile=json.dumps(profile))
    context = [InputTag("mlflow.data.context", "training and test")]
    store.client.log_inputs(run_id, [DatasetInput(dataset, context)])


def _folder(store: Store, run_id: str, *, source: str, path: str) -> None:
    """Log a folder of files and delete it."""
    store.client.log_artifacts(run_id, source, path)
    shutil.rmtree(source)


def _pictures(store: Store, run_id: str, *, pictures: Sequence[Mapping[str, Any]]) -> None:
    """Draw and log heatmaps; the UI's slider goes over the steps of one key."""

    def log(picture: Mapping[str, Any]) -> None:
        shown = {k: v for k, v in picture.items() if k not in ("key", "step", "scale")}
        image = heatmap(**shown, scale=Scale(*picture["scale"]))
        image.save = partial(image.save, compress_level=1)  # by MLflow: in a third of the time, 1/7 larger
        store.client.log_image(run_id, image, key=key_of(picture["key"]), step=picture["step"])

    for picture in pictures[:1]:  # by itself, since it makes a tag of the run
        log(picture)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(log, pictures[1:]))


_KINDS: dict[str, Any] = {
    "tags": lambda store, run_id, *, tags: store.set_tags(run_id, tags),
    "params": lambda store, run_id, *, params: store.log_params(run_id, params),
    "series": lambda store, run_id, *, points: store.log_series(run_id, points),
    "text": _text,
    "json": _json,
    "table": _table,
    "dataset": _dataset,
    "maps": log_maps,
    "pictures": _pictures,
    "folder": _folder,
}
