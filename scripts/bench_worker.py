"""One side of a benchmark in a process of its own: does its work once for each line it reads, and prints what it took.

    python scripts/bench_worker.py SIDE WHAT [ARGUMENT ...]

SIDE is `plain` (scripts/baseline.py) or `rdpp`; see scripts/bench_serve.py for what is read and printed.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import baseline
import numpy as np
import torch
from bench_serve import Work, nothing, serve
from bench_whole import plain_epoch, plain_inference, rdpp_epoch, rdpp_inference, rdpp_run
from floor import Counted, Floor
from scipy.ndimage import gaussian_filter

from rdpp.data import load_train, scan, shuffled
from rdpp.engine.device import computing, keep_freed_memory, place
from rdpp.engine.feed import Feed
from rdpp.engine.seeding import streams
from rdpp.engine.step import Stepper
from rdpp.experiment import ExperimentConfig
from rdpp.metrics import evaluate
from rdpp.models import ARCHITECTURES, Network, convolution, load_teacher
from rdpp.types import Batch

ROOT = Path(__file__).parents[1]
SIZE, BATCH = 256, 16


def draw_images(device: str = "cpu") -> tuple[torch.Tensor, torch.Tensor]:
    """Two batches of noise as images."""
    generator = torch.Generator().manual_seed(0)
    first, second = torch.rand(2, BATCH, 3, SIZE, SIZE, generator=generator).to(device)
    return first, second


def plain_step(name: str, device: str = "cpu") -> Work:
    """The procedure of the released code."""
    training, (clean, noisy) = baseline.PlainTraining(name, device=device), draw_images(device)

    def tell() -> dict[str, Any]:
        with Counted() as counted:
            training.step(clean, noisy)
        return {"calls": counted.calls, **gpu_memory(device)}

    return lambda: training.step(clean, noisy), tell


def rdpp_step(
    name: str, cached: str, variant: str = "rdpp", device: str = "cpu", precision: str = "fp32", compile: str = "off"
) -> Work:
    """The same losses here, or those of experiments/rd.yaml. `cached`: the clean images' teacher features are known,
    as they are in training after the first epoch; `uncached`: they are not."""
    keep_freed_memory()
    base = ExperimentConfig.from_yaml(ROOT / "experiments" / f"{variant}.yaml")
    experiment = base.with_overrides({"teacher": {"name": name, "weights": "random"}, "precision": precision})
    teacher, own = place(load_teacher(experiment.teacher), device), streams(0)
    network = Network(ARCHITECTURES[name], projection=experiment.projection)
    network.initialise(own.weights)
    stepper = Stepper(experiment, teacher, place(network, device).train(), own)
    images, _ = draw_images(device)
    with computing(torch.device(device), experiment.precision):
        batch = Batch(images, torch.arange(BATCH), teacher(images) if cached == "cached" else None)
    if compile == "on":
        network.compile(dynamic=False)
        teacher.compile(dynamic=False)

    def tell() -> dict[str, Any]:
        with Counted() as counted:
            stepper.step(batch)
        # the floor counts every convolution, and by the plain sum
        with patch.object(convolution, "is_faster", lambda x: False), Counted() as convolved:
            stepper.step(batch)
        floor = Floor.measure(convolved.convolutions)
        parts = {f"floor_{name}": seconds for name, (_, seconds) in floor.by_direction.items()}
        told = {"calls": counted.calls, "tflop": floor.flop / 1e12, "floor": floor.seconds}
        return {**told, **parts, **gpu_memory(device)}

    def step() -> None:
        stepper.step(batch)
        if device != "cpu":
            torch.cuda.synchronize()

    return step, tell


def gpu_memory(device: str) -> dict[str, Any]:
    """The peak of a GPU's memory, in GB."""
    return {} if device == "cpu" else {"gpu_peak_gb": torch.cuda.max_memory_allocated(device) / 1e9}


def plain_data(root: str, category: str) -> Work:
    """Every training sample decoded, resized and given its noise."""
    paths = [item.path for item in scan(Path(root), category, test=False).train]
    rng, table = np.random.default_rng(0), baseline.field(0)
    return lambda: [baseline.training_sample(path, SIZE, rng, table) for path in paths], nothing


def rdpp_data(root: str, category: str) -> Work:
    """Every training sample of the decoded cache, with its noise, in batches."""
    train = load_train(scan(Path(root), category, test=False), (SIZE, SIZE), ROOT / "runs" / "cache")
    keep_freed_memory()
    noise = ExperimentConfig.from_yaml(ROOT / "experiments" / "rdpp.yaml").noise
    assert noise is not None
    feed, generator = Feed(train, torch.device("cpu")), torch.Generator().manual_seed(0)
    decoded = np.stack([baseline.read_sample(item.path, SIZE).numpy() for item in train.items[:BATCH]])
    error = float(np.abs(decoded - train.images[:BATCH]).max())

    def samples() -> None:
        for batch in feed.batches(shuffled(len(train), BATCH, generator)):
            noise(batch.images, generator)

    return samples, lambda: {"largest error": error}


def _maps(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Smooth float32 maps (count, SIZE, SIZE) that find well, but not perfectly, what their masks mark.

    A third of the images is good. Each other one has up to three ellipses, some of them joined, that
    take 0.2 to 3 % of it together; its map is noise, and the masks blurred, faint in some images, bright in others.
    """
    rng = np.random.default_rng(0)
    coarse = torch.from_numpy(rng.random((count, 1, 16, 16), np.float32))
    maps = torch.nn.functional.interpolate(coarse, (SIZE, SIZE), mode="bicubic")[:, 0].numpy()
    masks = np.zeros(maps.shape, dtype=bool)
    for index in range(count):
        if index % 3:
            masks[index] = _blobs(rng)
            maps[index] += np.float32(rng.uniform(0.2, 1.3)) * gaussian_filter(masks[index].astype(np.float32), 4)
    return maps, masks


def _blobs(rng: np.random.Generator) -> np.ndarray:
    """(SIZE, SIZE) bool, one to three ellipses."""
    rows, columns = np.mgrid[:SIZE, :SIZE]
    mask, number = np.zeros((SIZE, SIZE), dtype=bool), int(rng.integers(1, 4))
    radius = SIZE * np.sqrt(rng.uniform(0.002, 0.03) / number / np.pi)
    for _ in range(number):
        (y, x), angle, stretch = rng.uniform(radius, SIZE - radius, 2), rng.uniform(0, np.pi), rng.uniform(1, 1.7)
        along = (rows - y) * np.sin(angle) + (columns - x) * np.cos(angle)
        across = (rows - y) * np.cos(angle) - (columns - x) * np.sin(angle)
        mask |= (along / stretch) ** 2 + (across * stretch) ** 2 <= radius**2
    return mask


def plain_metrics(count: str) -> Work:
    """Three metrics, image by image and threshold by threshold."""
    maps, masks = _maps(int(count))
    return lambda: baseline.metrics(maps, masks), nothing


def rdpp_metrics(count: str, which: str) -> Work:
    """Every metric, exact; `pooled`: but for the mean of PRO over images; `by_type`: of five types of defects too."""
    maps, masks = _maps(int(count))
    scores, labels = maps.max((1, 2)), np.asarray(masks.any((1, 2)))
    types = [f"type {index % 5}" for index in range(len(maps))]
    settings = {"by_type": which == "by_type", "per_image_pro": which != "pooled"}
    return lambda: evaluate(maps, masks, scores, labels, types, **settings), nothing


WORK: dict[tuple[str, str], Callable[..., Work]] = {
    ("plain", "step"): plain_step,
    ("rdpp", "step"): rdpp_step,
    ("plain", "data"): plain_data,
    ("rdpp", "data"): rdpp_data,
    ("plain", "metrics"): plain_metrics,
    ("rdpp", "metrics"): rdpp_metrics,
    ("plain", "epoch"): plain_epoch,
    ("rdpp", "epoch"): rdpp_epoch,
    ("plain", "inference"): plain_inference,
    ("rdpp", "inference"): rdpp_inference,
    ("rdpp", "run"): rdpp_run,
}


def main() -> None:
    """Serve."""
    side, what, *arguments = sys.argv[1:]
    serve(*WORK[side, what](*arguments))


if __name__ == "__main__":
    main()
