"""Images that a program holds as arrays, by their meaning: as `decoding.py` has it for files."""

import numpy as np

from rdpp.config import ConfigError
from rdpp.data.decoding import BY_TYPE, Raw, Reading, scaled

_DEEP = {"uint16": (65535.0, "16-bit"), "float32": (1.0, "floating point"), "float64": (1.0, "floating point")}
"""By type, but for uint8: which value is white, and the kind; see `Raw`."""


def from_array(name: object, values: np.ndarray, reading: Reading = BY_TYPE) -> np.ndarray:
    """An array as the network's input, not yet resized.

    Args:
        name: for messages.
        values: (H, W) or (H, W, 1) grey, (H, W, 3) RGB, or (H, W, 4), whose alpha is left out; uint8, uint16, float32
            or float64.
        reading: its `white` is that of all types but uint8.

    Returns:
        (H, W, 3) float32 in [0, 1], RGB.

    Raises:
        ConfigError: another shape or type, or values beyond black and white.
    """
    kind = values.dtype.name
    if kind != "uint8" and kind not in _DEEP:
        raise ConfigError(f"the image {name} is an array of {kind}; give uint8, {', '.join(_DEEP)}")
    white, depth = _DEEP.get(kind, (255.0, "8-bit"))
    if kind != "uint8" and reading.white is not None:
        white = reading.white
    return scaled(name, Raw(_colours(name, values), None, white, depth))


def _colours(name: object, values: np.ndarray) -> np.ndarray:
    channels = values.shape[2] if values.ndim == 3 else 1
    if values.ndim not in (2, 3) or channels not in (1, 3, 4) or not values.size:
        raise ConfigError(
            f"the image {name} is an array of shape {values.shape}; give (height, width), or (height, width, channels) "
            "with 1, 3 or 4 channels"
        )
    if channels == 1:
        return values.reshape(values.shape[:2])
    return values[..., :3]
