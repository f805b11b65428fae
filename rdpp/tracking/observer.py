"""The MLflow observer: one leaf of the run tree, one category with one seed."""

import json
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from mlflow.entities import Dataset, DatasetInput, InputTag
from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

from rdpp.config import flatten
from rdpp.data import Split
from rdpp.engine import (
    BatchFinished,
    EpochFinished,
    Evaluation,
    Event,
    Result,
    RunFinished,
    RunStarted,
    device_name,
    resolve_device,
)
from rdpp.tracking.figures import Scale, heatmap, interesting
from rdpp.tracking.maps import log_maps
from rdpp.tracking.provenance import code_comment
from rdpp.tracking.store import Store

_FRAMES = 6  # epochs, the last one among them, at which heatmaps are taken for the UI's slider
_AT_ONCE = 2  # pictures drawn and logged


# tags, or without influence on the result; the UI prints all parameters beside each picture
_NOT_PARAMS = frozenset(
    {"name", "data.root", "data.categories", "data.cache", "teacher.weights", "seeds", "device", "keep", "heatmaps"}
)


class RunObserver:
    """Logs a run: parameters, losses a batch, metrics an epoch, data set, configuration, scores, heatmaps.

    Batches are buffered and written once an epoch, so that the loop never waits for the store.
    """

    def __init__(self, store: Store, run_id: str, *, system_metrics_interval: int = 5) -> None:
        self.store, self.run_id = store, run_id
        self._monitor = SystemMetricsMonitor(
            run_id,
            sampling_interval=system_metrics_interval,
            samples_before_logging=1,
            tracking_uri=store.uri,
        )
        self._batches: list[BatchFinished] = []
        self._frames: dict[int, np.ndarray] = {}
        self._started: RunStarted | None = None

    def close(self) -> None:
        """Stop the system metrics. To be called however the run ends."""
        self._monitor.finish()

    def __call__(self, event: Event) -> None:
        match event:
            case RunStarted():
                self._start(event)
            case BatchFinished():
                self._batches.append(event)
            case EpochFinished():
                self._finish_epoch(event)
            case RunFinished():
                self._finish(event.result)

    def _start(self, event: RunStarted) -> None:
        self._started = event
        experiment, category = event.experiment, event.category
        self._monitor.start()
        params = flatten(experiment.to_mapping())
        self.store.log_params(self.run_id, {k: v for k, v in params.items() if k not in _NOT_PARAMS})
        self.store.set_tags(
            self.run_id,
            {
                "category": category.name,
                "seed": event.seed,
                "variant": experiment.name,
                "teacher": experiment.teacher.name,
                "teacher_fingerprint": event.teacher.fingerprint,
                "train_manifest": category.train_fingerprint,
                "selection": experiment.evaluation.selection,
                "device": device_name(resolve_device(experiment.device)),
                "epochs": event.epochs,
            },
        )
        own = experiment.with_overrides({"data.categories": [category.name], "seeds": [event.seed]})
        self.store.client.log_text(self.run_id, code_comment() + own.to_yaml(), "experiment.yaml")

    def _log_data(self, test: Split) -> None:
        """At the end, since the test images may not be looked at before."""
        assert self._started is not None
        category, train, held_out = self._started.category, self._started.train, self._started.held_out
        source = json.dumps({"uri": str(category.folder)})
        profile = json.dumps({"train": len(train), "held_out": len(held_out or ()), "test": len(test)})
        dataset = Dataset(category.name, category.fingerprint, "local", source, profile=profile)
        context = [InputTag("mlflow.data.context", "training and test")]
        self.store.client.log_inputs(self.run_id, [DatasetInput(dataset, context)])
        manifest = "".join(f"{digest}  {path}\n" for path, digest in category.manifest.items())
        self.store.client.log_text(self.run_id, manifest, "data_manifest.txt")
        self.store.set_tags(self.run_id, {"data_manifest": category.fingerprint})

    def _finish_epoch(self, event: EpochFinished) -> None:
        assert self._started is not None
        weights = {name: term.weight for name, term in self._started.experiment.terms.items()}
        points = [p for batch in self._batches for p in _loss_points(batch, weights, event.seconds_per_batch)]
        self._batches.clear()
        rates = {
            "seconds_per_batch": event.seconds_per_batch,
            "images_per_second": event.images_per_second,
            "peak_memory_mb": event.peak_memory_mb,
        }
        prefix = "held_out/" if self._started.watched == "held_out" else ""
        metrics = {prefix + k: v for k, v in event.evaluation.metrics.items()} if event.evaluation else {}
        points += [(name, value, event.epoch) for name, value in {**rates, **metrics}.items()]
        self.store.log_series(self.run_id, points)
        if event.evaluation and (event.last or event.epoch in self._frame_epochs()):
            self._frames[event.epoch] = event.evaluation.prediction.anomaly_maps.astype(np.float16)

    def _frame_epochs(self) -> set[int]:
        """About evenly spaced in the logarithm: maps change most early on."""
        assert self._started is not None
        every, last = self._started.experiment.evaluation.every, self._started.epochs
        wanted = np.geomspace(every, last, _FRAMES)
        return {min(last, max(every, round(epoch / every) * every)) for epoch in wanted}

    def _finish(self, result: Result) -> None:
        assert self._started is not None
        values = {f"chosen/{name}": value for name, value in result.evaluation.metrics.items()}
        if result.held_out is not None:
            of_held_out = {k: v for k, v in result.held_out.metrics.items() if "/" not in k}
            values |= {f"chosen/held_out/{name}": value for name, value in of_held_out.items()}
            points = [(name, value, result.epoch) for name, value in result.evaluation.metrics.items()]
            self.store.log_series(self.run_id, points)
        values |= {f"selection_gap/{name}": value for name, value in result.selection_gap.items()}
        of_run = {"chosen_epoch": result.epoch, "epochs": result.epochs, "steps": result.steps}
        self.store.log_metrics(self.run_id, {**values, **of_run, "seconds": result.seconds})
        audit = [(f"audit/{name}", v, epoch) for epoch, metrics in result.audit.items() for name, v in metrics.items()]
        self.store.log_series(self.run_id, audit)
        self.store.set_tags(self.run_id, {"dead_terms": " ".join(result.dead_terms) or "none"})
        self._log_data(result.evaluation.split)
        self._log_scores(result.evaluation)
        if self._started.experiment.keep_maps:
            log_maps(self.store, self.run_id, result.evaluation)
        if self._started.experiment.heatmaps:
            self._log_heatmaps(result)

    def _log_scores(self, evaluation: Evaluation) -> None:
        assert self._started is not None
        test = evaluation.split
        table = {
            "image": [item.path.relative_to(self._started.category.folder).as_posix() for item in test.items],
            "defect_type": test.defect_types,
            "defective": [bool(label) for label in test.labels],
            "score": [float(score) for score in evaluation.prediction.image_scores],
            "mask_pixels": [int(n) for n in test.masks.sum((1, 2))],
        }
        self.store.client.log_table(self.run_id, table, "image_scores.json")

    def _log_heatmaps(self, result: Result) -> None:
        """Watched images over the epochs; where these were held out, the test images once, at the chosen epoch."""
        frames = dict(self._frames)
        if result.held_out is None:
            self._log_pictures(result.evaluation, result.epoch, frames, "")
        else:
            self._log_pictures(result.held_out, result.epoch, frames, "held_out_")
            self._log_pictures(result.evaluation, result.epoch, {}, "")

    def _log_pictures(self, chosen: Evaluation, chosen_epoch: int, frames: dict[int, np.ndarray], prefix: str) -> None:
        """The same images and one scale in every frame, chosen by what the chosen epoch made of them.

        The UI's slider starts at step 0, so steps count frames; the picture tells its epoch.
        """
        assert self._started is not None
        split, scores = chosen.split, chosen.prediction.image_scores
        scale = Scale.of(chosen.prediction, split.labels)
        frames[chosen_epoch] = chosen.prediction.anomaly_maps

        def log(key: str, index: int, frame: int, epoch: int) -> None:
            anomaly_map = frames[epoch][index].astype(np.float32)
            picture = heatmap(split, index, anomaly_map, float(anomaly_map.max()), scale, epoch)
            picture.save = partial(picture.save, compress_level=1)  # by MLflow: in a third of the time, 1/7 larger
            self.store.client.log_image(self.run_id, picture, key=key, step=frame)

        pictures = [
            (f"{prefix}{kind}/{rank}_{split.items[index].defect_type}_{split.items[index].path.stem}", index, *frame)
            for kind, indices in interesting(scores, split.labels, self._started.experiment.heatmaps).items()
            for rank, index in enumerate(indices, 1)
            for frame in enumerate(sorted(frames))
        ]
        for picture in pictures[:1]:  # by itself, since it makes a tag of the run
            log(*picture)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(lambda picture: log(*picture), pictures[1:]))


def _loss_points(
    batch: BatchFinished, weights: dict[str, float], seconds_per_batch: float
) -> list[tuple[str, float, int]]:
    values = {"loss/total": float(batch.losses.total)}
    values |= {f"loss/{name}": float(value) for name, value in batch.losses.raw.items()}
    values |= {f"loss_weighted/{name}": float(value) for name, value in batch.losses.weighted.items()}
    for name, inspection in (batch.inspections or {}).items():
        values |= {f"gradient_norm/{group}/{name}": norm for group, norm in inspection.norms.items()}
        values[f"gradient_rounding/{name}"] = inspection.rounding
        values[f"time_share/{name}"] = inspection.seconds / seconds_per_batch
        values[f"loss_weight/{name}"] = weights[name]
    return [(name, value, batch.batch) for name, value in values.items()]


def log_checkpoint(store: Store, run_id: str, folder: Path) -> None:
    """Log what a CheckpointWriter left in its folder, as the run's `checkpoint`."""
    if any(folder.iterdir()):
        store.client.log_artifacts(run_id, str(folder), "checkpoint")
