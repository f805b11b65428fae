"""What a person should know of a category before anything is trained on it."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from rdpp.data.category import Category
from rdpp.data.files import printable
from rdpp.data.split import Split

_DARK = 0.3
"""Share of white: below it, images of more than 8 bits look as if their white were another."""


def notes(category: Category, train: Split, test: Split | None) -> tuple[str, ...]:
    """Sentences without a full stop; none where everything is as a reader would expect.

    Args:
        category: whose files were read.
        train: all its training images.
        test: its test images, where they are there.
    """
    return (*_passed_over(category), *_of_light([train, *([test] if test else [])]), *(_of_test(test) if test else ()))


def summary(passed_over: Mapping[str, Sequence[Path]]) -> str:
    """Counts by reason, and the first file: `hidden: 2, suffix .txt: 1; first bolt/notes.txt`."""
    counts = ", ".join(f"{why}: {len(paths)}" for why, paths in passed_over.items())
    first = min(path for paths in passed_over.values() for path in paths)
    return f"{counts}; first {printable(first.as_posix())}"


def undefined_because(test: Split) -> str | None:
    """Why some metrics cannot be computed on these images; None where none is lacking for want of images or masks."""
    if not test.labels.any():
        return "there are no defective test images"
    if test.labels.all():
        return "there are no good test images"
    if not test.has_masks:
        return "the defective test images have no masks"
    if not test.masks.any():
        return f"no mask has a defective pixel at {_size(test)}"
    return None


def _passed_over(category: Category) -> Iterator[str]:
    found = category.passed_over
    if found:
        yield f"passed over, {summary(found)}"


def _of_light(splits: Sequence[Split]) -> Iterator[str]:
    highest: dict[str, float] = {}
    for split in splits:
        if split.facts is not None:
            for kind, value in zip(split.facts.kinds, split.facts.highest, strict=True):
                highest[kind] = max(value, highest.get(kind, 0))
    for kind, value in highest.items():
        if not kind.startswith("8-bit") and value < _DARK:
            yield (
                f"the {kind} images use {100 * value:.1f} % of the range up to white at most; if a lower value is "
                "white (a camera of 12 bits: 4095), set data.white to it"
            )
    depths = Counter(kind for split in splits if split.facts for kind in split.facts.kinds)
    if len({kind.partition(" ")[0] for kind in depths}) > 1:
        yield f"images of several depths: {', '.join(f'{count} {kind}' for kind, count in depths.items())}"


def _of_test(test: Split) -> Iterator[str]:
    defective, size = int(test.labels.sum()), _size(test)
    if not defective or defective == len(test):
        which = "defective" if not defective else "good"
        yield f"no {which} test images: metrics that need them are undefined (-)"
    elif not test.has_masks:
        yield "no masks: image metrics only"
    for rows, what, remedy in (
        (test.empty, "have an empty mask", "; see data.mask_threshold if their files show defects"),
        (test.vanished, f"have a mask that vanishes at {size}", "; a larger data.image_size keeps it"),
    ):
        if len(rows):
            yield f"{len(rows)} of {defective} defective images {what}, first {_first(test, rows)}{remedy}"


def _first(split: Split, rows: np.ndarray) -> str:
    return printable(split.items[rows[0]].path.as_posix())


def _size(split: Split) -> str:
    height, width = split.masks.shape[1:]
    return f"{height} x {width}"
