"""What a layout of folders and files has to tell."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import ClassVar, Protocol

from rdpp.data.item import Item


def defective_in_training(items: Iterable[Item]) -> Mapping[str, tuple[Item, ...]]:
    """What `Reader.left_out` tells of a training split that has defective images too."""
    found = tuple(item for item in items if item.label)
    return {"defective, in the training split": found} if found else {}


class Reader(Protocol):
    """Where a data set keeps its images, labels and masks: the only place that knows its folders' and files' names.

    A reader lists, and reads no pixels, but for masks where nothing else says which images are defective. It returns
    nothing where nothing lies; `scan` turns that into an error, and checks that masks are as large as their images. All
    paths it returns are relative to the root, in an order that depends on the names alone. It has no state but the
    settings it is built from: two objects of one class with the same settings are equal, and can be hashed.

    Readers inherit from this class. What has a value or a body here may stay as it is.
    """

    title: ClassVar[str]
    """Of the layout, for messages: `MVTec AD`."""
    layout: ClassVar[str]
    """The places it looks at, for messages, relative to the root: `CATEGORY/train/good`."""
    not_computed: ClassVar[str] = ""
    """What belongs to the data set's own evaluation and is not computed here; told once a run."""
    label_files: ClassVar[tuple[str, ...]] = ()
    """Names of files beside the images that say which are defective, such as `Labels.txt`."""

    def categories(self, root: Path) -> list[str]:
        """Names of the categories under an existing folder, sorted. `reader: auto` takes the layout that has some, so
        no folder of another layout may count; MVTec AD's alone gives way to all others."""
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

    def left_out(self, root: Path, category: str) -> Mapping[str, tuple[Item, ...]]:
        """Images of the layout that are neither trained nor tested on, by the reason why; they are counted and told.
        Those whose labels are not public have the label None."""
        return {}

    def folder(self, root: Path, category: str) -> Path:
        """Where the category's files lie. What else lies there is told."""
        return root / category
