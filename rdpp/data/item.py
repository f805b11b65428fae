"""One image of a category, and what its data set says about it."""

from dataclasses import dataclass
from pathlib import Path

GOOD = "good"
"""The defect type of images without a defect."""


@dataclass(frozen=True)
class Item:
    """One image. Paths are relative to the data set's root."""

    path: Path
    """Such as `bolt/test/scratch/000.png`."""
    defect_type: str
    """`good` where there is no defect."""
    label: bool | None
    """True where defective; None where the data set does not say."""
    masks: tuple[Path, ...] | None = ()
    """Files that show where the defects are, joined by a logical or: none for a good image. None where no such file is
    known: the data set has none, or the defect was drawn (see `hold_out`)."""
    empty_masks: tuple[Path, ...] = ()
    """Of a good image, in data sets where good images have mask files too; they are not read again."""

    def __post_init__(self) -> None:
        assert not any(path.is_absolute() for path in self.files), "relative to the root"

    @property
    def files(self) -> tuple[Path, ...]:
        """The image and its masks."""
        return (self.path, *(self.masks or ()))
