"""What a report shows of one image."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ImageRow:
    """One test image, and variants' anomaly maps of it."""

    category: str
    caption: str
    picture: str
    """Data URI; the mask's outline is drawn in."""
    maps: tuple[tuple[str, str, str], ...]
    """(variant, caption, data URI); of a variant that has no map of it the URI is empty."""
