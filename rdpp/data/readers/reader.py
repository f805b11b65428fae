"""What a layout of folders and files has to tell."""

from pathlib import Path
from typing import ClassVar, Protocol

from rdpp.data.item import Item


class Reader(Protocol):
    """Where a data set keeps its images, labels and masks: the only place that knows its folders' and files' names.

    A reader lists, and reads no pixels. It returns nothing where nothing lies; `scan` turns that into an error, and
    checks that masks are as large as their images. All paths it returns are relative to the root, in an order that
    depends on the names alone. It has no state: two objects of one class are equal, and can be hashed.
    """

    title: ClassVar[str]
    """Of the layout, for messages: `MVTec AD`."""
    layout: ClassVar[str]
    """The places it looks at, for messages, relative to the root: `CATEGORY/train/good`."""

    def categories(self, root: Path) -> list[str]:
        """Names of the categories under an existing folder, sorted."""
        ...

    def train(self, root: Path, category: str) -> tuple[Item, ...]:
        """The good images to train on."""
        ...

    def test(self, root: Path, category: str) -> tuple[Item, ...]:
        """The good and defective images to test on.

        Raises:
            ConfigError: what lies there contradicts itself.
        """
        ...

    def has_test(self, root: Path, category: str) -> bool:
        """Whether there are test images yet. Looks at no more than it must."""
        ...
