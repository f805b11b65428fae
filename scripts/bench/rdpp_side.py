"""A benchmark's other side: rdpp. It imports nothing that a run of rdpp would not, so that its memory is a run's."""

import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from floor import Counted, Floor
from inputs import BATCH, SIZE, draw_images, draw_maps, draw_pixels
from serve import Work, arithmetic, gpu_memory, nothing

from rdpp.config import decode
from rdpp.data import load_train, scan, shuffled
from rdpp.detector import Detector
from rdpp.engine import CheckpointWriter, EpochFinished, Event, RunSpec, grid, prepare_all, train
from rdpp.engine.device import autocast, keep_freed_memory, to_device
from rdpp.engine.loader import DataLoader
from rdpp.engine.seeding import streams
from rdpp.engine.step import Stepper
from rdpp.experiment import ExperimentConfig
from rdpp.kernels import convolution
from rdpp.metrics import METRICS, evaluate
from rdpp.models import ARCHITECTURES, Network, load_teacher
from rdpp.models.teacher import TeacherConfig
from rdpp.types import Batch

ROOT = Path(__file__).parents[2]


def step(
    name: str, cached: str, variant: str = "rdpp", device: str = "cpu", precision: str = "fp32", compile: str = "off"
) -> Work:
    """The same losses here, or those of experiments/rd.yaml. `cached`: the clean images' teacher features are known,
    as they are in training after the first epoch; `uncached`: they are not."""
    keep_freed_memory()
    base = ExperimentConfig.from_yaml(ROOT / "experiments" / f"{variant}.yaml")
    experiment = base.with_overrides({"teacher": {"name": name, "weights": "random"}, "precision": precision})
    teacher, own = to_device(load_teacher(experiment.teacher), device), streams(0)
    network = Network(ARCHITECTURES[name], projection=experiment.projection)
    network.initialise(own.weights)
    stepper = Stepper(experiment, teacher, to_device(network, device).train(), own)
    images, _ = draw_images(device)
    with autocast(torch.device(device), experiment.precision):
        known = teacher(images) if cached == "cached" else None
    if compile == "on":
        network.compile(dynamic=False)
        teacher.compile(dynamic=False)

    def batch() -> Batch:
        return Batch(images.clone(), torch.arange(BATCH), known)

    def tell() -> dict[str, Any]:
        with Counted() as counted:
            stepper.step(batch())
        # the floor counts every convolution, and by the plain sum
        with patch.object(convolution, "is_faster", lambda x: False), Counted() as convolved:
            stepper.step(batch())
        floor = Floor.measure(convolved.convolutions)
        parts = {f"floor_{name}": seconds for name, (_, seconds) in floor.by_direction.items()}
        told = {"calls": counted.calls, "tflop": floor.flop / 1e12, "floor": floor.seconds}
        return {**told, **parts, **gpu_memory(device)}

    def one() -> None:
        stepper.step(batch())
        if device != "cpu":
            torch.cuda.synchronize()

    return one, tell


def data(root: str, category: str) -> Work:
    """Every training sample of the decoded cache, with its noise, in batches."""
    train = load_train(scan(Path(root), category, test=False), (SIZE, SIZE), ROOT / "runs" / "cache")
    keep_freed_memory()
    noise = ExperimentConfig.from_yaml(ROOT / "experiments" / "rdpp.yaml").noise
    assert noise is not None
    loader, generator = DataLoader(train, torch.device("cpu")), torch.Generator().manual_seed(0)

    def samples() -> None:
        for batch in loader.batches(shuffled(len(train), BATCH, generator)):
            noise(batch.images, generator, inplace=True)

    def tell() -> dict[str, Any]:
        import baseline  # for the plain way to decode; no part of a run's memory

        paths = [train.root / item.path for item in train.items[:BATCH]]
        decoded = np.stack([baseline.read_sample(path, SIZE).numpy() for path in paths])
        return {"largest error": float(np.abs(decoded - train.images[:BATCH]).max())}

    return samples, tell


class _EpochByEpoch:
    """An observer that lets a training in a thread of its own go on for one epoch at a time."""

    def __init__(self) -> None:
        self._go, self._done = threading.Semaphore(0), threading.Semaphore(0)

    def __call__(self, event: Event) -> None:
        if isinstance(event, EpochFinished):
            self._done.release()
            self._go.acquire()

    def start(self, spec: RunSpec) -> None:
        """Train the first epoch; the last one is never reached."""
        threading.Thread(target=train, args=[spec], kwargs={"observers": [self]}, daemon=True).start()
        self._done.acquire()

    def one(self) -> None:
        """One epoch more."""
        self._go.release()
        self._done.acquire()


def _experiment(name: str, teacher: str, root: str, categories: str, epochs: int) -> ExperimentConfig:
    """experiments/NAME.yaml on the CPU, for these categories, with commas between, and so many epochs."""
    weights = "default" if teacher == "builtin" else "random"
    return ExperimentConfig.from_yaml(ROOT / "experiments" / f"{name}.yaml").with_overrides(
        {
            "data": {"root": root, "categories": categories.split(","), "cache": str(ROOT / "runs" / "cache")},
            "teacher": {"name": teacher, "weights": weights},
            "training.epochs": epochs,
            "device": "cpu",
        }
    )


def epoch(name: str, root: str, category: str) -> Work:
    """The same here: `train`, evaluated on the test images; the first epoch, which finds the features, is over."""
    experiment = _experiment("rdpp", name, root, category, 10_000)
    training = _EpochByEpoch()
    training.start(RunSpec.of(experiment.with_overrides({"evaluation.selection": "last"}), category, 0))
    return training.one, nothing


def run(name: str, teacher: str, root: str, categories: str, epochs: str, tracked: str) -> Work:
    """Runs of experiments/NAME.yaml, one a category, `tracked` in an MLflow store until all is written, or `untracked`.

    Told are the seconds that tracking itself works, once MLflow is imported: mostly beside the training.
    """
    from rdpp.runs import Conduct, train_grid, work_alone
    from rdpp.tracking.sink import StoreSink  # MLflow is no part of the other workers' memory
    from rdpp.tracking.tree import MlflowTree

    experiment = _experiment(name, teacher, root, categories, int(epochs)).with_overrides({"seeds": [1]})
    scratch = tempfile.TemporaryDirectory()
    taken: list[list[float]] = []

    def once() -> None:
        taken.append([])
        if tracked == "tracked":
            checkpoint = patch.object(CheckpointWriter, "__call__", _timed(CheckpointWriter.__call__, taken[-1]))
            written = patch.object(StoreSink, "write", _timed(StoreSink.write, taken[-1]))
            with checkpoint, written, MlflowTree(f"sqlite:///{scratch.name}/mlflow.db") as tree:
                conduct = Conduct(since=time.time())
                alone = partial(work_alone, tree=tree, observers=[], conduct=conduct)
                train_grid(grid(experiment), tree, [], alone, attempt=str(conduct.since))
        else:
            specs = grid(experiment)
            prepare_all(specs)
            for spec in specs:
                train(spec)

    def tell() -> dict[str, Any]:
        scratch.cleanup()
        return {"tracking_s": median(sum(of_run) for of_run in taken[1:])}

    return once, tell


def _timed(function: Callable[..., Any], taken: list[float]) -> Callable[..., Any]:
    """The same, and its seconds are taken down."""

    def timed(*given: Any, **named: Any) -> Any:
        started = time.perf_counter()
        try:
            return function(*given, **named)
        finally:
            taken.append(time.perf_counter() - started)

    return timed


def inference(name: str, batch: str, projection: str) -> Work:
    """The detector; `projection`: rdpp, or rd for plain reverse distillation."""
    keep_freed_memory()
    teacher = to_device(load_teacher(decode(TeacherConfig, {"name": name, "weights": "random"})), "cpu")
    network = Network(ARCHITECTURES[name], projection=projection == "rdpp")
    network.initialise(torch.Generator().manual_seed(0))
    detector, pixels = Detector(teacher, network, (SIZE, SIZE)), draw_pixels(int(batch))

    def judge() -> list[float]:
        maps, scores = detector(pixels)
        maps.numpy()
        return scores.tolist()

    def tell() -> dict[str, Any]:
        with patch.object(convolution, "is_faster", lambda x: False):  # Winograd's algorithm multiplies less
            return arithmetic(judge)

    return judge, tell


def metrics(count: str, which: str) -> Work:
    """Every metric, exact; `pooled`: but for the mean of PRO over images; `by_type`: of five types of defects too."""
    maps, masks = draw_maps(int(count))
    scores, labels = maps.max((1, 2)), np.asarray(masks.any((1, 2)))
    types = [f"type {index % 5}" for index in range(len(maps))]
    names = [name for name in METRICS if which != "pooled" or name != "pixel_aupro_per_image"]
    settings = {"by_type": which == "by_type", "metrics": names}
    return lambda: evaluate(maps, masks, scores, labels, types, **settings), nothing


WORK: dict[str, Callable[..., Work]] = {
    "step": step,
    "data": data,
    "epoch": epoch,
    "run": run,
    "inference": inference,
    "metrics": metrics,
}
