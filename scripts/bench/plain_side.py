"""A benchmark's plain side: the released procedure, by scripts/bench/baseline.py."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import baseline
import numpy as np
import torch
from floor import Counted
from inputs import BATCH, SIZE, draw_images, draw_maps, draw_pixels
from serve import Work, gpu_memory, nothing

from rdpp.data import scan
from rdpp.data.resizing import read_mask


def step(name: str, device: str = "cpu") -> Work:
    """The procedure of the released code."""
    training, (clean, noisy) = baseline.PlainTraining(name, device=device), draw_images(device)

    def tell() -> dict[str, Any]:
        with Counted() as counted:
            training.step(clean, noisy)
        return {"calls": counted.calls, **gpu_memory(device)}

    return lambda: training.step(clean, noisy), tell


def data(root: str, category: str) -> Work:
    """Every training sample decoded, resized and given its noise."""
    paths = [Path(root) / item.path for item in scan(Path(root), category, test=False).train]
    rng, table = np.random.default_rng(0), baseline.field(0)
    return lambda: [baseline.training_sample(path, SIZE, rng, table) for path in paths], nothing


def epoch(name: str, root: str, category: str) -> Work:
    """One epoch by the released procedure, decoding everything anew, and its evaluation image by image."""
    from baseline_metrics import metrics as released_metrics  # pandas and scikit-learn are no part of a step's memory

    training, found = baseline.PlainTraining(name), scan(Path(root), category)
    rng, table = np.random.default_rng(0), baseline.field(0)
    paths = [found.root / item.path for item in found.train]

    def evaluate() -> dict[str, float]:
        maps = [
            training.anomaly_maps(baseline.normalised(baseline.read_sample(found.root / item.path, SIZE))[None])
            for item in found.test
        ]
        masks = [
            read_mask([found.root / path for path in item.masks], (SIZE, SIZE))
            if item.masks
            else np.zeros((SIZE, SIZE), bool)
            for item in found.test
        ]
        return released_metrics(np.concatenate(maps), np.stack(masks))

    def one() -> None:
        order = rng.permutation(len(paths))
        for start in range(0, len(order), BATCH):
            samples = [
                baseline.training_sample(paths[i], SIZE, rng, table) for i in order[start : start + BATCH].tolist()
            ]
            clean, noisy = (torch.stack(images) for images in zip(*samples, strict=True))
            training.step(clean, noisy)
        evaluate()

    return one, nothing


def inference(name: str, batch: str) -> Work:
    """Eager: layer4 and all, BatchNorm by itself, the Gaussian map by map."""
    training, pixels = baseline.PlainTraining(name), draw_pixels(int(batch))

    def judge() -> list[float]:
        maps = training.anomaly_maps(baseline.normalised(pixels.float() / 255))
        return [float(one.max()) for one in maps]

    return judge, nothing


def metrics(count: str) -> Work:
    """Three metrics, image by image and threshold by threshold."""
    from baseline_metrics import metrics as released_metrics

    maps, masks = draw_maps(int(count))
    return lambda: released_metrics(maps, masks), nothing


WORK: dict[str, Callable[..., Work]] = {
    "step": step,
    "data": data,
    "epoch": epoch,
    "inference": inference,
    "metrics": metrics,
}
