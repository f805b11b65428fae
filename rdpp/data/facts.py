"""What reading a split's files has shown, kept beside the decoded images."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

Box = tuple[int, int, int, int]
"""Top, left, height and width, in pixels."""


@dataclass(frozen=True)
class Facts:
    """Of the N images of a split, in its order."""

    kinds: tuple[str, ...]
    """Depth and colours of each image: `16-bit grey`."""
    highest: tuple[float, ...]
    """The highest value of each image, as a share of white."""
    mask_pixels: tuple[int, ...]
    """Defective pixels of each image's masks, at the files' own size; 0 also where there is no mask."""
    resized_mask_pixels: tuple[int, ...]
    """The same at the configured size."""
    boxes: tuple[Box, ...]
    """Where each picture lies in its resized image."""

    def write(self, path: Path) -> None:
        """To a JSON file."""
        path.write_text(json.dumps(dataclasses.asdict(self)))

    @classmethod
    def read(cls, path: Path) -> "Facts":
        """What `write` wrote."""
        data = json.loads(path.read_text())
        boxes = tuple((top, left, height, width) for top, left, height, width in data.pop("boxes"))
        return cls(**{name: tuple(values) for name, values in data.items()}, boxes=boxes)
