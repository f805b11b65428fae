"""The benchmarks' larger pieces of work: a whole epoch with its evaluation, and inference from bytes to scores."""

import tempfile
import threading
from pathlib import Path
from typing import Any

import baseline
import numpy as np
import torch
from bench_serve import Work, nothing

from rdpp.config import decode
from rdpp.data import scan
from rdpp.data.cache import read_mask
from rdpp.engine import EpochFinished, Event, prepare, train
from rdpp.engine.device import keep_freed_memory, place
from rdpp.engine.inference import Detector
from rdpp.experiment import ExperimentConfig
from rdpp.models import ARCHITECTURES, Network, load_teacher
from rdpp.models.teacher import TeacherConfig

ROOT = Path(__file__).parents[1]
SIZE, BATCH = 256, 16


def plain_epoch(name: str, root: str, category: str) -> Work:
    """One epoch by the released procedure, decoding everything anew, and its evaluation image by image."""
    training, found = baseline.PlainTraining(name), scan(Path(root), category)
    rng, table = np.random.default_rng(0), baseline.field(0)
    paths = [item.path for item in found.train]

    def evaluate() -> dict[str, float]:
        maps = [
            training.anomaly_maps(baseline.normalised(baseline.read_sample(i.path, SIZE))[None]) for i in found.test
        ]
        masks = [read_mask(i.mask, (SIZE, SIZE)) if i.mask else np.zeros((SIZE, SIZE), bool) for i in found.test]
        return baseline.metrics(np.concatenate(maps), np.stack(masks))

    def epoch() -> None:
        order = rng.permutation(len(paths))
        for start in range(0, len(order), BATCH):
            samples = [
                baseline.training_sample(paths[i], SIZE, rng, table) for i in order[start : start + BATCH].tolist()
            ]
            clean, noisy = (torch.stack(images) for images in zip(*samples, strict=True))
            training.step(clean, noisy)
        evaluate()

    return epoch, nothing


class _EpochByEpoch:
    """An observer that lets a training in a thread of its own go on for one epoch at a time."""

    def __init__(self) -> None:
        self._go, self._done = threading.Semaphore(0), threading.Semaphore(0)

    def __call__(self, event: Event) -> None:
        if isinstance(event, EpochFinished):
            self._done.release()
            self._go.acquire()

    def start(self, *arguments: Any) -> None:
        """Train the first epoch; the last one is never reached."""
        threading.Thread(target=train, args=arguments, kwargs={"observers": [self]}, daemon=True).start()
        self._done.acquire()

    def one(self) -> None:
        """One epoch more."""
        self._go.release()
        self._done.acquire()


def _experiment(name: str, teacher: str, root: str, category: str, epochs: int) -> ExperimentConfig:
    """experiments/NAME.yaml on the CPU, for one category and so many epochs."""
    weights = "default" if teacher == "builtin" else "random"
    return ExperimentConfig.from_yaml(ROOT / "experiments" / f"{name}.yaml").with_overrides(
        {
            "data": {"root": root, "categories": [category], "cache": str(ROOT / "runs" / "cache")},
            "teacher": {"name": teacher, "weights": weights},
            "training.epochs": epochs,
            "device": "cpu",
        }
    )


def rdpp_epoch(name: str, root: str, category: str) -> Work:
    """The same here: `train`, evaluated on the test images; the first epoch, which finds the features, is over."""
    experiment = _experiment("rdpp", name, root, category, 10_000)
    training = _EpochByEpoch()
    training.start(experiment.with_overrides({"evaluation.selection": "last"}), category, 0)
    return training.one, nothing


def rdpp_run(name: str, teacher: str, root: str, category: str, epochs: str, tracked: str) -> Work:
    """A run of experiments/NAME.yaml, `tracked` in an MLflow store until all is written, or `untracked`."""
    from rdpp.tracking.campaign import cells, train_all  # MLflow is no part of the other workers' memory
    from rdpp.tracking.store import Store

    experiment = _experiment(name, teacher, root, category, int(epochs)).with_overrides({"seeds": [1]})
    scratch = tempfile.TemporaryDirectory()

    def run() -> None:
        if tracked == "tracked":
            train_all(lambda: Store(f"sqlite:///{scratch.name}/mlflow.db"), experiment)
        else:
            ready = prepare(experiment)
            for cell in cells(ready):
                train(ready, cell.category, cell.seed)

    def tell() -> dict[str, Any]:
        scratch.cleanup()
        return {}

    return run, tell


def _pixels(batch: int) -> torch.Tensor:
    """(batch, 3, SIZE, SIZE) uint8, as a decoder gives them."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (batch, SIZE, SIZE, 3), dtype=torch.uint8, generator=generator).permute(0, 3, 1, 2)


def plain_inference(name: str, batch: str) -> Work:
    """Eager: layer4 and all, BatchNorm by itself, the Gaussian map by map."""
    training, pixels = baseline.PlainTraining(name), _pixels(int(batch))

    def judge() -> list[float]:
        maps = training.anomaly_maps(baseline.normalised(pixels.float() / 255))
        return [float(one.max()) for one in maps]

    return judge, nothing


def rdpp_inference(name: str, batch: str, projection: str) -> Work:
    """The detector; `projection`: rdpp, or rd for plain reverse distillation."""
    keep_freed_memory()
    teacher = place(load_teacher(decode(TeacherConfig, {"name": name, "weights": "random"})), "cpu")
    network = Network(ARCHITECTURES[name], projection=projection == "rdpp")
    network.initialise(torch.Generator().manual_seed(0))
    detector, pixels = Detector(teacher, network), _pixels(int(batch))

    def judge() -> list[float]:
        maps, scores = detector(pixels)
        maps.numpy()
        return scores.tolist()

    return judge, nothing
