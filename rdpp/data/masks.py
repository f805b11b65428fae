"""Mask files by their meaning: which pixels are defective.

- Two values: the larger one is defective (0 and 255, 0 and 1, 127 and 128).
- A palette, or up to 16 values: labels, each but 0 is defective. Of a palette with colours, all that is not black.
- More than 16 values, and every JPEG: an antialiased mask, defective from half of white on.
- Colours count by their largest channel (red on black); where alpha alone differs, it is the mask.

`Reading.mask_threshold` sets the share of white from which on a pixel is defective, where a mask has more than two
values. All this is decided file by file, at the file's own size; `read_mask` in `cache.py` resizes afterwards.
"""

from pathlib import Path

import numpy as np
from PIL.ImageFile import ImageFile

from rdpp.config import ConfigError
from rdpp.data.decoding import BY_TYPE, Raw, Reading, check_range, opened, raw_pixels, upright

MOST_LABELS = 16
_HALF = 0.5
_LOSSY = ("JPEG", "MPO")
"""Formats whose values stray around those that were drawn."""
_LOSSY_OFTEN = ("WEBP", "JPEG2000")


def decode_mask(path: Path, reading: Reading = BY_TYPE) -> np.ndarray:
    """(H, W) bool, True where defective, at the file's own size.

    Raises:
        ConfigError: no image, too large a one, or values whose white is not known.
    """
    with opened(path, reading.max_megapixels) as image:
        labels = _palette_labels(image)
        raw = raw_pixels(image, reading) if labels is None else Raw(labels, None, 255, "8-bit grey")
        file_format = image.format
    values = _values(raw)
    if not np.isfinite(values).all():
        raise ConfigError(f"the mask {path} holds values that are not finite; repair it")
    levels = np.unique(values)
    lossy = file_format in _LOSSY or (file_format in _LOSSY_OFTEN and len(levels) > 2)
    cut = reading.mask_threshold is not None and len(levels) > 2
    if lossy or cut or len(levels) > MOST_LABELS:
        check_range(path, raw)
        return values >= (_HALF if reading.mask_threshold is None else reading.mask_threshold) * raw.white
    return values == levels[1] if len(levels) == 2 else values != 0


def _palette_labels(image: ImageFile) -> np.ndarray | None:
    """Of a mask with a palette of colours, 1 where it is defective. None where its colours are greys, and where it has
    no palette or a transparent one: then what is seen counts."""
    if image.mode != "P" or "transparency" in image.info:
        return None
    indices = np.asarray(image)
    used = np.unique(indices)
    palette = np.array(image.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
    colours = np.zeros((256, 3), np.uint8)
    colours[: len(palette)] = palette
    shown = colours[used]
    distinct = len(np.unique(shown, axis=0)) == len(used)
    if distinct and (shown == shown[:, :1]).all():
        return None
    black = distinct and (shown == 0).all(1).any()
    defective = colours[indices].any(2) if black else indices != 0
    return upright(image)(np.asarray(defective, np.uint8))


def _values(raw: Raw) -> np.ndarray:
    """(H, W) the one number of each pixel that says how defective it is."""
    colours = raw.values if raw.values.ndim == 3 else raw.values[..., None]
    values = colours.max(2)
    if _constant(values):  # such as red on white
        spread = values - colours.min(2)
        values = values if _constant(spread) else spread
    if raw.alpha is None or _constant(raw.alpha):
        return values
    if _constant(values):
        return raw.alpha
    return np.where(raw.alpha >= raw.white / 2, values, 0)


def _constant(values: np.ndarray) -> bool:
    return bool((values == values.flat[0]).all())
