"""An observer that turns what a run tells into records: parameters, losses, metrics, data set, scores, heatmaps.

It needs no MLflow: training does not wait for its import.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rdpp.config import flatten
from rdpp.data import Item, Split
from rdpp.engine import (
    BatchFinished,
    EpochFinished,
    Evaluation,
    Event,
    Result,
    RunFinished,
    RunStarted,
    code_digest,
    device_name,
    machine_digest,
    machine_parts,
    rate_name,
    resolve_device,
)
from rdpp.provenance import code_comment
from rdpp.tracking.conventions import metric_names as names
from rdpp.tracking.conventions.artifacts import CONFIGURATION, IMAGE_SCORES, MANIFEST
from rdpp.tracking.conventions.schema import SCHEMA
from rdpp.tracking.conventions.tags import (
    CODE,
    DATA_MANIFEST,
    DEAD_TERMS,
    KEEP,
    KEEP_MAPS,
    KEY,
    KEY_TRAINING,
    MACHINE,
    MACHINE_PARTS,
    METHOD,
    TEACHER_FINGERPRINT,
    TRAIN_MANIFEST,
)
from rdpp.tracking.outbox.records import Kind

_FRAMES = 6  # epochs, the last one among them, at which heatmaps are taken for the gallery's slider


# Settings that are tags, or that do not change the result. They are not logged as parameters. All others are, at their
# defaults too: whoever searches for params.X = '...' finds every run.
_NOT_PARAMS = frozenset(
    {
        "name",
        "data.root",
        "data.categories",
        "data.cache",
        "data.max_megapixels",
        "teacher.weights",
        "seeds",
        "device",
        "checkpoint_every",
        "state",
        "keep",
        "heatmaps",
    }
)

_Point = tuple[str, float, int]
"""Name, value, step."""


class RunObserver:
    """Puts records of one run. Batches are kept and put once an epoch, so that a device is not waited for."""

    name = "tracking"

    def __init__(self, put: Callable[[Kind, Mapping[str, Any]], None]) -> None:
        self._put = put
        self._batches: list[BatchFinished] = []
        self._saved_batches: list[dict[str, Any]] = []
        """Of the epoch in work, from before the run was resumed."""
        self._frames: dict[int, np.ndarray] = {}
        self._started: RunStarted | None = None

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

    def save(self, folder: Path) -> None:
        """Write the epoch's batches so far, and the maps of the frames so far."""
        batches = [*self._saved_batches, *map(_plain, self._batches)]
        (folder / "batches.json").write_text(json.dumps(batches))
        np.savez(folder / "frames.npz", **{str(epoch): maps for epoch, maps in self._frames.items()})  # type: ignore[arg-type]

    def load(self, folder: Path) -> None:
        """Take what `save` wrote."""
        self._saved_batches = json.loads((folder / "batches.json").read_text())
        with np.load(folder / "frames.npz", allow_pickle=False) as frames:
            self._frames = {int(epoch): frames[epoch] for epoch in frames.files}

    def _start(self, event: RunStarted) -> None:
        self._started = event
        spec = event.spec
        experiment, identity = spec.experiment, spec.identity
        params = flatten(experiment.to_mapping())
        self._put("params", {"params": {k: str(v) for k, v in params.items() if k not in _NOT_PARAMS}})
        tags = {
            "schema": SCHEMA,
            KEY: identity.key,
            KEY_TRAINING: identity.training,
            METHOD: identity.method,
            CODE: code_digest(),
            MACHINE: machine_digest(experiment),
            MACHINE_PARTS: json.dumps(machine_parts(experiment)),
            "category": spec.category.name,
            "seed": spec.seed,
            "variant": experiment.name,
            "teacher": experiment.teacher.name,
            TEACHER_FINGERPRINT: identity.teacher,
            TRAIN_MANIFEST: identity.train_files,
            "selection": experiment.evaluation.selection,
            "device": device_name(resolve_device(experiment.device)),
            "epochs": event.epochs,
            KEEP: experiment.keep,
            KEEP_MAPS: experiment.keep_maps,
        }
        self._put("tags", {"tags": tags})
        self._put("text", {"path": CONFIGURATION, "text": code_comment() + experiment.to_yaml()})

    def _log_data(self, result: Result) -> None:
        """And which terms are dead. At the end, since the test images may have come after the beginning."""
        assert self._started is not None
        category, identity = result.spec.category, result.spec.identity
        train, held_out = self._started.train, self._started.held_out
        counts = {"train": len(train), "held_out": len(held_out or ()), "test": len(result.evaluation.split)}
        described = {"name": category.name, "digest": category.fingerprint, "folder": str(category.root)}
        self._put("dataset", {**described, "profile": counts})
        manifest = "".join(f"{digest}  {path}\n" for path, digest in category.manifest.items())
        self._put("text", {"path": MANIFEST, "text": manifest})
        test = result.evaluation.split
        tags = {
            DEAD_TERMS: " ".join(result.dead_terms) or "none",
            DATA_MANIFEST: category.fingerprint,
            "test_manifest": identity.test_files,
            "masks": "all" if test.has_masks else "none",
            "empty_masks": len(test.empty),
            "vanished_masks": len(test.vanished),
            "passed_over": sum(map(len, category.passed_over.values())),
        }
        self._put("tags", {"tags": {**tags, KEY: identity.key, KEY_TRAINING: identity.training}})

    def _finish_epoch(self, event: EpochFinished) -> None:
        assert self._started is not None
        weights = {name: term.weight for name, term in self._started.spec.experiment.terms.items()}
        batches = [*self._saved_batches, *map(_plain, self._batches)]
        points = [point for batch in batches for point in _loss_points(batch, weights, event.seconds_per_batch)]
        self._batches.clear()
        self._saved_batches = []
        rates = {
            names.SECONDS_PER_BATCH: event.seconds_per_batch,
            names.IMAGES_PER_SECOND: event.images_per_second,
            names.PEAK_MEMORY: event.peak_memory_mb,
        }
        prefix = names.HELD_OUT if self._started.watched == "held_out" else ""
        metrics = {prefix + k: v for k, v in _of_all(event.evaluation.metrics)} if event.evaluation else {}
        points += [(name, value, event.epoch) for name, value in {**rates, **metrics}.items()]
        self._put("series", {"points": points})
        if event.evaluation and (event.last or event.epoch in self._frame_epochs()):
            self._frames[event.epoch] = event.evaluation.prediction.anomaly_maps.astype(np.float16)

    def _frame_epochs(self) -> set[int]:
        """About evenly spaced in the logarithm: maps change most early on."""
        assert self._started is not None
        every, last = self._started.spec.experiment.evaluation.every, self._started.epochs
        wanted = np.geomspace(every, last, _FRAMES)
        return {min(last, max(every, round(epoch / every) * every)) for epoch in wanted}

    def _finish(self, result: Result) -> None:
        assert self._started is not None
        values = names.final_metrics(
            test=result.evaluation.metrics,
            held_out={} if result.held_out is None else result.held_out.metrics,
            gap=result.selection_gap,
            epoch=result.epoch,
            epochs=result.epochs,
            steps=result.steps,
        )
        values |= {names.TEST + name: value for name, value in result.real_rates.items()}
        values |= {**_threshold_values(result), names.SECONDS: result.seconds}
        points = [(name, value, 0) for name, value in values.items()]  # the UI draws a bar of what has no other step
        points += [(names.AUDIT + name, v, epoch) for epoch, of in result.audit.items() for name, v in _of_all(of)]
        self._put("series", {"points": points})
        if result.thresholds is not None:
            self._put("text", {"path": "thresholds.json", "text": json.dumps(result.thresholds.to_mapping(), indent=1)})
        self._log_data(result)
        self._log_scores(result.evaluation)
        experiment = self._started.spec.experiment
        if experiment.keep_maps:
            self._put("maps", _maps(result.evaluation))
        if experiment.heatmaps:
            self._log_heatmaps(result)

    def _log_scores(self, evaluation: Evaluation) -> None:
        columns = {
            **_listed(evaluation),
            "score": [float(score) for score in evaluation.prediction.image_scores],
            "mask_pixels": _mask_pixels(evaluation.split),
        }
        self._put("table", {"path": IMAGE_SCORES, "columns": columns})

    def _log_heatmaps(self, result: Result) -> None:
        """Watched images over the epochs; where these were held out, the test images once, at the chosen epoch."""
        if result.held_out is None:
            pictures = self._pictures(result.evaluation, result.epoch, self._frames, "")
        else:
            pictures = self._pictures(result.held_out, result.epoch, self._frames, "held_out_")
            pictures += self._pictures(result.evaluation, result.epoch, {}, "")
        about = f"{result.spec.category.name}, seed {result.spec.seed}"
        self._put("pictures", {"pictures": pictures, "about": about, "chosen": result.epoch})

    def _pictures(
        self, chosen: Evaluation, chosen_epoch: int, earlier: Mapping[int, np.ndarray], prefix: str
    ) -> list[dict[str, Any]]:
        """The same images in every frame, chosen by what the chosen epoch made of them. Scale and threshold are each
        frame's own: maps of another epoch have another range."""
        from rdpp.tracking.artifacts.figures import interesting, picture  # imports matplotlib and scikit-learn

        assert self._started is not None
        split, scores = chosen.split, chosen.prediction.image_scores
        frames = [_Frame.of(epoch, maps, split.labels) for epoch, maps in earlier.items() if epoch != chosen_epoch]
        frames.append(_Frame.of(chosen_epoch, chosen.prediction.anomaly_maps, split.labels, scores))
        frames.sort(key=lambda frame: frame.epoch)
        count = self._started.spec.experiment.heatmaps
        return [
            {
                "key": f"{prefix}{kind}/{rank}_{_short_name(split.items[index])}",
                "step": step,
                "pixels": picture(split, index),
                "mask": split.masks[index] if split.has_masks else None,
                "anomaly_map": frame.maps[index].astype(np.float32),
                "score": float(frame.scores[index]),
                "title": f"{split.items[index].defect_type}/{split.items[index].path.name}",
                "defective": bool(split.labels[index]),
                "epoch": frame.epoch,
                "scale": frame.scale,
            }
            for kind, indices in interesting(scores, split.labels, count).items()
            for rank, index in enumerate(indices, 1)
            for step, frame in enumerate(frames)
        ]


def _of_all(metrics: Mapping[str, float]) -> list[tuple[str, float]]:
    """Those over all images. By defect type they are logged of the chosen epoch alone: over the epochs they would be
    eight sections of the UI before the losses."""
    return [(name, value) for name, value in metrics.items() if "/" not in name]


def _short_name(item: Item) -> str:
    """Of an image, without a folder's slashes; the picture's caption and the table of scores have the whole name."""
    return f"{item.defect_type}_{item.path.stem}".replace("/", "_")


@dataclass(frozen=True)
class _Frame:
    """What one epoch made of the watched images."""

    epoch: int
    maps: np.ndarray
    """(N, H, W)."""
    scores: np.ndarray
    """(N,)."""
    scale: tuple[float, float, float]
    """The fields of `rdpp.tracking.artifacts.figures.Scale`."""

    @classmethod
    def of(cls, epoch: int, maps: np.ndarray, labels: np.ndarray, scores: np.ndarray | None = None) -> "_Frame":
        """Scores that were not kept are the maps' maxima, which is what image scores are."""
        from rdpp.tracking.artifacts.figures import Scale

        known = maps.max((1, 2)).astype(np.float32) if scores is None else scores
        scale = Scale.of_maps(maps.astype(np.float32), known, labels)
        return cls(epoch, maps, known, (scale.low, scale.high, scale.threshold))


def _mask_pixels(split: Split) -> list[int | None]:
    """Of each image at the network's size; None where no masks are known."""
    if not split.has_masks:
        return [None] * len(split)
    return [int(count) for count in split.masks.sum((1, 2))]


def _listed(evaluation: Evaluation) -> dict[str, Any]:
    """The images of an evaluation, as columns of a table."""
    split = evaluation.split
    return {
        "image": [item.path.as_posix() for item in split.items],
        "defect_type": list(split.defect_types),
        "defective": [bool(label) for label in split.labels],
    }


def _threshold_values(result: Result) -> dict[str, float]:
    """Such as `threshold/image_5_percent`."""
    found = result.thresholds
    if found is None:
        return {}
    kinds = {"image": found.image, "pixel": found.pixel}
    return {names.THRESHOLD + rate_name(kind, one.rate): one.value for kind, of in kinds.items() for one in of}


def _maps(evaluation: Evaluation) -> dict[str, Any]:
    prediction = evaluation.prediction
    return {
        "anomaly_maps": prediction.anomaly_maps,
        "masks": evaluation.split.masks,
        "image_scores": prediction.image_scores,
        "columns": _listed(evaluation),
    }


def _plain(event: BatchFinished) -> dict[str, Any]:
    """A batch in plain numbers; waits for the device."""
    losses = event.losses
    return {
        "batch": event.batch,
        "total": float(losses.total),
        "raw": {name: float(value) for name, value in losses.raw.items()},
        "weighted": {name: float(value) for name, value in losses.weighted.items()},
        "inspections": {
            name: {"norms": dict(found.norms), "rounding": found.rounding, "seconds": found.seconds}
            for name, found in (event.inspections or {}).items()
        },
    }


def _loss_points(batch: Mapping[str, Any], weights: Mapping[str, float], seconds_per_batch: float) -> list[_Point]:
    values = {f"{names.LOSS}total": batch["total"]}
    values |= {names.LOSS + name: value for name, value in batch["raw"].items()}
    values |= {names.LOSS_WEIGHTED + name: value for name, value in batch["weighted"].items()}
    for name, found in batch["inspections"].items():
        values |= {f"{names.GRADIENT_NORM}{group}/{name}": norm for group, norm in found["norms"].items()}
        values[names.GRADIENT_ROUNDING + name] = found["rounding"]
        values[names.TIME_SHARE + name] = found["seconds"] / seconds_per_batch
        values[names.LOSS_WEIGHT + name] = weights[name]
    return [(name, value, batch["batch"]) for name, value in values.items()]
