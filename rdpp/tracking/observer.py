"""The MLflow observer: one leaf of the run tree, one category with one seed."""

import json
from pathlib import Path

import numpy as np
from mlflow.entities import Dataset, DatasetInput, InputTag
from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

from rdpp.config import flatten
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
from rdpp.tracking.provenance import code_comment
from rdpp.tracking.store import Store

_FRAMES = 6  # epochs, the last one among them, at which heatmaps are taken for the UI's slider


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
                "data_manifest": category.fingerprint,
                "device": device_name(resolve_device(experiment.device)),
                "epochs": event.epochs,
            },
        )
        source = json.dumps({"uri": str(category.folder)})
        profile = json.dumps({"train": len(event.train), "test": len(event.test)})
        dataset = Dataset(category.name, category.fingerprint, "local", source, profile=profile)
        context = [InputTag("mlflow.data.context", "training and test")]
        self.store.client.log_inputs(self.run_id, [DatasetInput(dataset, context)])
        own = experiment.with_overrides({"data.categories": [category.name], "seeds": [event.seed]})
        self.store.client.log_text(self.run_id, code_comment() + own.to_yaml(), "experiment.yaml")
        manifest = "".join(f"{digest}  {path}\n" for path, digest in category.manifest.items())
        self.store.client.log_text(self.run_id, manifest, "data_manifest.txt")

    def _finish_epoch(self, event: EpochFinished) -> None:
        assert self._started is not None
        weights = {name: term.weight for name, term in self._started.experiment.terms.items()}
        points = [point for batch in self._batches for point in _loss_points(batch, weights)]
        self._batches.clear()
        rates = {
            "seconds_per_batch": event.seconds_per_batch,
            "images_per_second": event.images_per_second,
            "peak_memory_mb": event.peak_memory_mb,
        }
        metrics = event.evaluation.metrics if event.evaluation else {}
        points += [(name, value, event.epoch) for name, value in {**rates, **metrics}.items()]
        self.store.log_series(self.run_id, points)
        if event.evaluation and event.epoch in self._frame_epochs():
            self._frames[event.epoch] = event.evaluation.prediction.anomaly_maps.astype(np.float16)

    def _frame_epochs(self) -> set[int]:
        """About evenly spaced in the logarithm: maps change most early on."""
        assert self._started is not None
        every, last = self._started.experiment.evaluation.every, self._started.epochs
        wanted = np.geomspace(every, last, _FRAMES)
        return {min(last, max(every, round(epoch / every) * every)) for epoch in wanted}

    def _finish(self, result: Result) -> None:
        metrics = {f"chosen/{name}": value for name, value in result.evaluation.metrics.items() if "/" not in name}
        self.store.log_metrics(self.run_id, {**metrics, "chosen_epoch": result.epoch, "seconds": result.seconds})
        assert self._started is not None
        if self._started.experiment.heatmaps:
            self._log_heatmaps(result.evaluation, result.epoch, self._started.experiment.heatmaps)
        self._log_scores(result.evaluation)

    def _log_scores(self, evaluation: Evaluation) -> None:
        assert self._started is not None
        test = self._started.test
        table = {
            "image": [item.path.relative_to(self._started.category.folder).as_posix() for item in test.items],
            "defect_type": test.defect_types,
            "defective": [bool(label) for label in test.labels],
            "score": [float(score) for score in evaluation.prediction.image_scores],
            "mask_pixels": [int(n) for n in test.masks.sum((1, 2))],
        }
        self.store.client.log_table(self.run_id, table, "image_scores.json")

    def _log_heatmaps(self, chosen: Evaluation, chosen_epoch: int, count: int) -> None:
        """The same images and one scale in every frame, chosen by what the chosen epoch made of them.

        The UI's slider starts at step 0, so steps count frames; the picture tells its epoch.
        """
        assert self._started is not None
        test = self._started.test
        scale = Scale.of(chosen.prediction, test.labels)
        frames: dict[int, np.ndarray] = {**self._frames, chosen_epoch: chosen.prediction.anomaly_maps}
        scores = chosen.prediction.image_scores
        for kind, indices in interesting(scores, test.labels, count).items():
            for rank, index in enumerate(indices, 1):
                item = test.items[index]
                key = f"{kind}/{rank}_{item.defect_type}_{item.path.stem}"
                for frame, epoch in enumerate(sorted(frames)):
                    anomaly_map = frames[epoch][index].astype(np.float32)
                    picture = heatmap(test, index, anomaly_map, float(anomaly_map.max()), scale, epoch)
                    self.store.client.log_image(self.run_id, picture, key=key, step=frame)


def _loss_points(batch: BatchFinished, weights: dict[str, float]) -> list[tuple[str, float, int]]:
    values = {"loss/total": batch.losses.total}
    values |= {f"loss/{name}": value for name, value in batch.losses.raw.items()}
    values |= {f"loss_weighted/{name}": value for name, value in batch.losses.weighted.items()}
    values |= {f"gradient_norm/{name}": value for name, value in (batch.gradient_norms or {}).items()}
    points = [(name, float(value), batch.batch) for name, value in values.items()]
    if batch.gradient_norms is not None:
        points += [(f"loss_weight/{name}", weight, batch.batch) for name, weight in weights.items()]
    return points


def log_checkpoint(store: Store, run_id: str, folder: Path) -> None:
    """Log what a CheckpointWriter left in its folder, as the run's `checkpoint`."""
    if any(folder.iterdir()):
        store.client.log_artifacts(run_id, str(folder), "checkpoint")
