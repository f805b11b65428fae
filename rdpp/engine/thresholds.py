"""Thresholds for stated false-alarm rates, taken from good images that the network was not trained on.

The test set is not looked at. A threshold is as good as the number of images that it rests on, so each carries an
interval for the rate that it really has.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from scipy.special import betaincinv, stdtrit

from rdpp.config import ConfigError, decode, encode

RATES = (0.001, 0.01, 0.05)
"""False-alarm rates that thresholds are taken for."""
HELD_OUT = "held-out images"
"""Where thresholds come from that a run takes by itself; see `Thresholds.origin`."""
_TAIL = 0.05
"""Left out of an interval at each end: it holds 90 %."""


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """A score, and how often good images, or their pixels, lie above it."""

    rate: float
    """The stated rate: at most this share lies above."""
    value: float
    """What lies above is anomalous; what equals it is not."""
    expected: float
    """The rate to expect on new images."""
    low: float
    """The real rate lies between low and high with 90 % confidence."""
    high: float


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """Those of one network."""

    origin: str
    """Which images they were taken from: `held-out images`, or `cross-fitted, K folds`."""
    images: int
    """Good images that they rest on."""
    image: tuple[Threshold, ...]
    """For image scores: of RATES, those that so many images can give."""
    pixel: tuple[Threshold, ...]
    """For the pixels of anomaly maps."""

    def image_at(self, rate: float) -> Threshold | None:
        """The image threshold for a rate; None where it is not to be had."""
        return next((found for found in self.image if found.rate == rate), None)

    def pixel_at(self, rate: float) -> Threshold | None:
        """The pixel threshold for a rate; None where it is not to be had."""
        return next((found for found in self.pixel if found.rate == rate), None)

    def to_mapping(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return encode(self)

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any], source: str) -> "Thresholds":
        """What `to_mapping` gave.

        Raises:
            ConfigError: something else; it names the source.
        """
        try:
            return decode(cls, mapping, "thresholds")
        except ConfigError as error:
            raise ConfigError(f"{source}: {error}") from None


def take_thresholds(scores: np.ndarray, maps: np.ndarray, origin: str) -> Thresholds:
    """Thresholds from what a network says of good images that it was not trained on.

    Args:
        scores: (N,) image scores.
        maps: (N, H, W) anomaly maps, -inf where an image is padding.
        origin: see `Thresholds.origin`.
    """
    image = [image_threshold(scores, rate) for rate in RATES]
    return Thresholds(
        origin=origin,
        images=len(scores),
        image=tuple(found for found in image if found is not None),
        pixel=pixel_thresholds(maps, RATES),
    )


def images_needed(rate: float) -> int:
    """Good images without which there is no image threshold for a rate.

    >>> [images_needed(rate) for rate in (0.05, 0.01, 0.001)]
    [19, 99, 999]
    """
    return math.ceil(1 / _exact(rate) - 1)


def image_threshold(scores: np.ndarray, rate: float) -> Threshold | None:
    """The conformal quantile: the ceil((N + 1)(1 - rate))-th smallest of N scores (Vovk et al. 2005).

    A new good image lies above it with a probability of at most `rate`, whatever the scores' distribution. Given these
    N images, the real rate is a random number with the distribution Beta(N + 1 - k, k) for the k-th smallest.

    Args:
        scores: (N,) of good images.
        rate: between 0 and 1.

    Returns:
        None where N is too small for the rate.
    """
    count = len(scores)
    above = int((count + 1) * _exact(rate))  # N + 1 - k
    if above == 0:
        return None
    low, high = betaincinv(above, count + 1 - above, [_TAIL, 1 - _TAIL])
    value = np.sort(scores)[count - above]
    return Threshold(rate=rate, value=float(value), expected=above / (count + 1), low=float(low), high=float(high))


def pixel_thresholds(maps: np.ndarray, rates: Sequence[float]) -> tuple[Threshold, ...]:
    """Quantiles of all pixels of good images.

    Pixels of one image are not independent, so the uncertainty rests on images: the rate of each image's pixels above
    the threshold that the other images give, and Student's interval for the mean of those N rates.

    Args:
        maps: (N, H, W) of good images, -inf where an image is padding.
        rates: each between 0 and 1.

    Returns:
        One for each rate; none where there are fewer than two images.
    """
    count = len(maps)
    if count < 2:
        return ()
    sizes = np.isfinite(maps).sum((1, 2))
    # of the others of an image, no threshold lies below as many of all pixels
    deepest = min(int(max(rates) * sizes.sum()) + int(sizes.max()) + 1, int(sizes.sum()))
    cut = np.partition(maps, maps.size - deepest, axis=None)[maps.size - deepest]
    tops = [np.sort(one[(one >= cut) & np.isfinite(one)]) for one in maps]
    pooled = np.sort(np.concatenate(tops))
    found = []
    for rate in rates:
        value = pooled[len(pooled) - 1 - int(_exact(rate) * int(sizes.sum()))]
        own = [_own_rate(pooled, tops[i], int(sizes.sum() - sizes[i]), sizes[i], rate) for i in range(count)]
        mean, spread = float(np.mean(own)), float(np.std(own, ddof=1))
        reach = float(stdtrit(count - 1, 1 - _TAIL)) * spread / count**0.5
        low, high = max(0.0, mean - reach), min(1.0, mean + reach)
        found.append(Threshold(rate=rate, value=float(value), expected=mean, low=low, high=high))
    return tuple(found)


def _own_rate(pooled: np.ndarray, own: np.ndarray, others: int, size: int, rate: float) -> float:
    """The share of one image's pixels above the threshold that the other images give.

    Args:
        pooled: the highest pixels of all images, ascending.
        own: those of them that are this image's, ascending.
        others: how many pixels the other images have.
        size: how many this image has.
        rate: of the threshold.
    """
    allowed = int(_exact(rate) * others)
    # the lowest pooled value with no more than `allowed` of the other images' pixels above it
    first, last = 0, len(pooled) - 1
    while first < last:
        middle = (first + last) // 2
        if _above(pooled, pooled[middle]) - _above(own, pooled[middle]) <= allowed:
            last = middle
        else:
            first = middle + 1
    return _above(own, pooled[first]) / size


def _above(ascending: np.ndarray, value: float) -> int:
    return len(ascending) - int(np.searchsorted(ascending, value, side="right"))


def _exact(rate: float) -> Fraction:
    """As it is written: 100 images times 0.01 is one image, not a rounding error less."""
    return Fraction(str(rate))


def real_rates(thresholds: Thresholds, scores: np.ndarray, maps: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """What the thresholds do on a test set, by name; NaN where there are no such images.

    `false_alarm_rate/image_1_percent` is the share of good images above the image threshold for 1 %,
    `detection_rate/image_1_percent` that of defective ones, and `false_alarm_rate/pixel_1_percent` the share of the
    pixels of good images above the pixel threshold.

    Args:
        thresholds: of the network.
        scores: (N,) image scores.
        maps: (N, H, W) anomaly maps, -inf where an image is padding.
        labels: (N,) bool, True = defective.
    """
    rates = {}
    for found in thresholds.image:
        above = scores > found.value
        rates[f"false_alarm_rate/{rate_name('image', found.rate)}"] = _share(above[~labels])
        rates[f"detection_rate/{rate_name('image', found.rate)}"] = _share(above[labels])
    normal = maps[~labels]
    pixels = np.isfinite(normal).sum()
    for found in thresholds.pixel:
        share = float((normal > found.value).sum() / pixels) if pixels else float("nan")
        rates[f"false_alarm_rate/{rate_name('pixel', found.rate)}"] = share
    return rates


def rate_name(what: str, rate: float) -> str:
    """A threshold's name in metrics.

    >>> rate_name("image", 0.001)
    'image_0.1_percent'
    """
    return f"{what}_{100 * rate:g}_percent"


def _share(above: np.ndarray) -> float:
    return float(above.mean()) if len(above) else float("nan")
