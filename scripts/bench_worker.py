"""One side of a benchmark in a process of its own: does its work once for each line it reads, and prints what it took.

    python scripts/bench_worker.py SIDE WHAT [ARGUMENT ...]

SIDE is `plain` (scripts/baseline.py) or `rdpp`. It prints `ready`, then for each line on standard input one JSON object
with the seconds; at the end of the input one with the peak memory of the process, and what else the work has to tell.
"""

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import baseline
import numpy as np
import torch
from floor import Counted, Floor

from rdpp.data import load_train, scan, shuffled
from rdpp.engine.device import keep_freed_memory, place
from rdpp.engine.feed import Feed
from rdpp.engine.seeding import streams
from rdpp.engine.step import Stepper
from rdpp.experiment import ExperimentConfig
from rdpp.metrics import evaluate
from rdpp.models import ARCHITECTURES, Network, load_teacher
from rdpp.types import Batch

Work = tuple[Callable[[], Any], Callable[[], dict[str, Any]]]
"""What is timed, and what is told at the end."""

ROOT = Path(__file__).parents[1]
SIZE, BATCH = 256, 16


def nothing() -> dict[str, Any]:
    """Nothing to tell."""
    return {}


def draw_images() -> tuple[torch.Tensor, torch.Tensor]:
    """Two batches of noise as images."""
    generator = torch.Generator().manual_seed(0)
    first, second = torch.rand(2, BATCH, 3, SIZE, SIZE, generator=generator)
    return first, second


def plain_step(name: str) -> Work:
    """The procedure of the released code."""
    training, (clean, noisy) = baseline.PlainTraining(name), draw_images()

    def tell() -> dict[str, Any]:
        with Counted() as counted:
            training.step(clean, noisy)
        return {"calls": counted.calls}

    return lambda: training.step(clean, noisy), tell


def rdpp_step(name: str, cached: str) -> Work:
    """The same losses here; `cached`: whether the clean images' teacher features are known, as in training."""
    keep_freed_memory()
    base = ExperimentConfig.from_yaml(ROOT / "experiments" / "rdpp.yaml")
    experiment = base.with_overrides({"teacher": {"name": name, "weights": "random"}})
    teacher, network, own = place(load_teacher(experiment.teacher), "cpu"), Network(ARCHITECTURES[name]), streams(0)
    network.initialise(own.weights)
    stepper = Stepper(experiment, teacher, place(network, "cpu").train(), own)
    images, _ = draw_images()
    batch = Batch(images, torch.arange(BATCH), teacher(images) if cached == "cached" else None)

    def tell() -> dict[str, Any]:
        with Counted() as counted:
            stepper.step(batch)
        floor = Floor.measure(counted.convolutions)
        return {"calls": counted.calls, "tflop": floor.flop / 1e12, "floor": floor.seconds}

    return lambda: stepper.step(batch), tell


def plain_data(root: str, category: str) -> Work:
    """Sixteen samples decoded, resized and given their noise."""
    paths = [item.path for item in scan(Path(root), category, test=False).train[:BATCH]]
    rng, table = np.random.default_rng(0), baseline.field(0)
    return lambda: [baseline.training_sample(path, SIZE, rng, table) for path in paths], nothing


def rdpp_data(root: str, category: str) -> Work:
    """Sixteen samples of the decoded cache, with their noise."""
    train = load_train(scan(Path(root), category, test=False), (SIZE, SIZE), ROOT / "runs" / "cache")
    noise = ExperimentConfig.from_yaml(ROOT / "experiments" / "rdpp.yaml").noise
    assert noise is not None
    feed, generator = Feed(train, torch.device("cpu")), torch.Generator().manual_seed(0)
    decoded = np.stack([baseline.read_sample(item.path, SIZE).numpy() for item in train.items[:BATCH]])
    error = float(np.abs(decoded - train.images[:BATCH]).max())

    def samples() -> None:
        for batch in feed.batches(shuffled(len(train), BATCH, generator)[:1]):
            noise(batch.images, generator)

    return samples, lambda: {"largest error": error}


def _maps(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Smooth maps, and masks of a third of them good, that the maps find well but not perfectly."""
    rng = np.random.default_rng(0)
    coarse = torch.from_numpy(rng.random((count, 1, 16, 16), np.float32))
    maps = torch.nn.functional.interpolate(coarse, (SIZE, SIZE), mode="bicubic")[:, 0].numpy()
    masks = maps > 0.95
    masks[::3] = False
    return maps + rng.random(maps.shape, np.float32) * 0.1, masks


def plain_metrics(count: str) -> Work:
    """Three metrics, image by image and threshold by threshold."""
    maps, masks = _maps(int(count))
    return lambda: baseline.metrics(maps, masks), nothing


def rdpp_metrics(count: str, which: str) -> Work:
    """Every metric, exact; `pooled`: but for the mean of PRO over images."""
    maps, masks = _maps(int(count))
    scores, labels = maps.max((1, 2)), np.asarray(masks.any((1, 2)))
    types = ["defect" if label else "good" for label in labels]
    settings = {"by_type": False, "per_image_pro": which == "all"}
    return lambda: evaluate(maps, masks, scores, labels, types, **settings), nothing


WORK: dict[tuple[str, str], Callable[..., Work]] = {
    ("plain", "step"): plain_step,
    ("rdpp", "step"): rdpp_step,
    ("plain", "data"): plain_data,
    ("rdpp", "data"): rdpp_data,
    ("plain", "metrics"): plain_metrics,
    ("rdpp", "metrics"): rdpp_metrics,
}


def main() -> None:
    """Serve."""
    side, what, *arguments = sys.argv[1:]
    work, tell = WORK[side, what](*arguments)
    print("ready", flush=True)
    for _ in sys.stdin:
        started = time.perf_counter()
        work()
        print(json.dumps({"seconds": time.perf_counter() - started}), flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(json.dumps({"peak_gb": peak, **tell()}), flush=True)


if __name__ == "__main__":
    main()
