"""A trained network that judges new images: `rdpp.load`."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rdpp.config import ConfigError, choose
from rdpp.data import printable
from rdpp.data.decoding import decode, opened
from rdpp.data.facts import Box
from rdpp.data.in_memory import from_array
from rdpp.data.resizing import fitted, placed
from rdpp.deploy.ahead import ahead, alone_if_large
from rdpp.deploy.prediction import ImagePrediction, Unreadable, regions_above
from rdpp.deploy.source import located
from rdpp.detector import Detector
from rdpp.engine import RATES, Thresholds, images_needed, load_network, read_checkpoint, resolve_device
from rdpp.engine.evaluation import detector_of
from rdpp.engine.teachers import shared_teacher
from rdpp.engine.thresholds import HELD_OUT
from rdpp.experiment import ExperimentConfig

Image = str | PathLike[str] | np.ndarray


@dataclass(frozen=True)
class _Prepared:
    """An image as the network gets it."""

    name: str
    path: Path | None
    pixels: np.ndarray
    """(3, H, W) float32 in [0, 1]."""
    size: tuple[int, int]
    """(height, width) of the original."""
    box: Box
    """Where the picture lies; the rest is padding."""


@dataclass(frozen=True)
class Model:
    """A trained network with all that it needs to judge images as its run's evaluation did."""

    detector: Detector
    """An nn.Module: (B, 3, H, W) images to anomaly maps and image scores."""
    experiment: ExperimentConfig
    """That it was trained with."""
    category: str
    seed: int
    epoch: int
    data: str
    """The key of the images that it was trained on."""
    thresholds: Thresholds | None
    """None where no images were held out, and none were taken later."""
    source: str
    """By which it was loaded."""

    def predict(
        self,
        images: Image | Iterable[Image],
        rate: float = 0.01,
        *,
        threshold: float | None = None,
        batch_size: int | None = None,
    ) -> Iterator[ImagePrediction]:
        """Judge images one by one, in order; the next ones are decoded meanwhile.

        Args:
            images: one or several: paths of files, or arrays (height, width[, channels]) of uint8, uint16 or floats in
                [0, 1]. They may have any size, and are resized as the training images were.
            rate: false-alarm rate of the thresholds: 0.001, 0.01 or 0.05.
            threshold: of scores and of maps, instead of the model's own.
            batch_size: images at a time; by default as in training.

        Raises:
            ConfigError: another rate; when its turn comes, an image that cannot be read.
        """
        for found in self.stream(images, rate, threshold=threshold, batch_size=batch_size):
            if isinstance(found, Unreadable):
                raise ConfigError(found.reason)
            yield found

    def stream(
        self,
        images: Image | Iterable[Image],
        rate: float = 0.01,
        *,
        threshold: float | None = None,
        batch_size: int | None = None,
    ) -> Iterator[ImagePrediction | Unreadable]:
        """The same, with the reason in the place of an image that cannot be read."""
        limits = self.limits(rate, threshold)
        size = batch_size or self.experiment.training.batch_size
        several: Iterable[Image] = [images] if isinstance(images, str | PathLike | np.ndarray) else images
        group: list[_Prepared | Unreadable] = []
        for prepared in chain(ahead(self._prepare, enumerate(several), 2 * size), [None]):
            if prepared is not None:
                group.append(prepared)
            if prepared is None or sum(isinstance(one, _Prepared) for one in group) == size:
                yield from self._judged(group, limits)
                group = []

    def limits(self, rate: float, threshold: float | None = None) -> tuple[float | None, float | None]:
        """The thresholds of image scores and of maps for a rate, or the given one for both; None where there is none.

        Raises:
            ConfigError: a rate that no thresholds are taken for.
        """
        choose(f"{rate:g}", (f"{known:g}" for known in RATES), "rate")
        if threshold is not None:
            return threshold, threshold
        if self.thresholds is None:
            return None, None
        image, pixel = self.thresholds.image_at(rate), self.thresholds.pixel_at(rate)
        return image and image.value, pixel and pixel.value

    def why_no_verdict(self, rate: float) -> str | None:
        """One line that says why there is no image threshold for a rate, and how to get one; None where there is."""
        easiest = max(RATES)
        cross = (
            f"take some from all good training images with `rdpp thresholds {self.source} --folds 5` (then --rate "
            f"{100 * easiest:g} needs {images_needed(easiest)} of them)"
        )
        if self.thresholds is None:
            why, remedies = "the model has no thresholds, since its run held no images out", [cross]
        elif self.thresholds.image_at(rate) is not None:
            return None
        else:
            had = [f"give --rate {100 * one.rate:g}" for one in self.thresholds.image]  # the lowest rate first
            remedies = [*had[:1], *([cross] if self.thresholds.origin == HELD_OUT else [])]
            why = (
                f"an image threshold for {100 * rate:g} % needs {images_needed(rate)} good images, and "
                f"{self.thresholds.images} were there ({self.thresholds.origin})"
            )
        return f"scores without verdict: {why}; {', or '.join([*remedies, 'give --threshold VALUE'])}"

    def _prepare(self, entry: tuple[int, Image]) -> _Prepared | Unreadable:
        number, image = entry
        data = self.experiment.data
        path = None if isinstance(image, np.ndarray) else Path(image)
        name = str(number) if path is None else printable(path)
        try:
            if isinstance(image, np.ndarray):
                return self._fitted(name, None, from_array(name, image, data.reading))
            with opened(Path(image), data.max_megapixels) as file:
                size = file.height, file.width
            with alone_if_large(*size):
                return self._fitted(name, path, self.decoded(Path(image)))
        except ConfigError as error:
            return Unreadable(name, str(error))

    def _fitted(self, name: str, path: Path | None, pixels: np.ndarray) -> _Prepared:
        data, size = self.experiment.data, (pixels.shape[0], pixels.shape[1])
        box = placed(size, data.size, data.fit)
        return _Prepared(name, path, fitted(pixels, data.size, box), size, box)

    def decoded(self, path: Path) -> np.ndarray:
        """(height, width, 3) float32 in [0, 1], RGB: an image file as it was read for the training.

        Raises:
            ConfigError: it cannot be read.
        """
        return decode(path, self.experiment.data.reading)[0]

    def _judged(
        self, group: Sequence[_Prepared | Unreadable], limits: tuple[float | None, float | None]
    ) -> Iterator[ImagePrediction | Unreadable]:
        batch = [one for one in group if isinstance(one, _Prepared)]
        if batch:
            pixels = torch.from_numpy(np.stack([one.pixels for one in batch]))
            maps = iter(self.detector(pixels.to(self.detector.teacher.mean.device))[0][:, 0].cpu().numpy())
        else:
            maps = iter(())
        for one in group:
            yield one if isinstance(one, Unreadable) else _prediction(one, next(maps), limits)


def _prediction(one: _Prepared, whole: np.ndarray, limits: tuple[float | None, float | None]) -> ImagePrediction:
    top, left, height, width = one.box
    network_map = whole[top : top + height, left : left + width].copy()
    score = float(network_map.max())
    threshold, pixel_threshold = limits
    regions = () if pixel_threshold is None else regions_above(network_map, pixel_threshold, one.size)
    return ImagePrediction(
        name=one.name,
        path=one.path,
        score=score,
        verdict=None if threshold is None else score > threshold,
        threshold=threshold,
        regions=regions,
        pixel_threshold=pixel_threshold,
        network_map=network_map,
        size=one.size,
    )


def load(
    source: str | PathLike[str],
    device: str = "auto",
    tracking_uri: str | None = None,
    *,
    changes: Mapping[str, Any] | None = None,
) -> Model:
    """Load a trained network.

    Args:
        source: the path of a checkpoint, an MLflow run id, or a registered model (`NAME@ALIAS`, `NAME/VERSION`).
        device: `auto` (the first GPU, else the CPU), `cpu`, `cuda` or `cuda:N`.
        tracking_uri: of the MLflow store, by default MLFLOW_TRACKING_URI, else sqlite in ./runs.
        changes: settings of its experiment by dotted path, such as {"teacher.weights": "resnet18.pth"}.

    Raises:
        ConfigError: nothing of that name, or it cannot be used.
    """
    with located(str(source), tracking_uri) as found:
        checkpoint = read_checkpoint(found.path)
        experiment = checkpoint.experiment.with_overrides(changes or {})
        teacher = shared_teacher(experiment.teacher, checkpoint.seed, resolve_device(device))
        network = load_network(checkpoint, teacher)
    return Model(
        detector=detector_of(experiment, teacher, network),
        experiment=experiment,
        category=checkpoint.category,
        seed=checkpoint.seed,
        epoch=checkpoint.epoch,
        data=checkpoint.data,
        thresholds=checkpoint.thresholds,
        source=str(source),
    )
