"""What `rdpp data check` prints."""

from collections.abc import Mapping, Sequence

from rich import box
from rich.table import Table

from rdpp.data.check import CategoryCheck
from rdpp.display.console import output_console


def print_check(found: Sequence[CategoryCheck], size: tuple[int, int]) -> None:
    """A row a category, and below the table what a person should look at."""
    console = output_console()
    console.print(_table(found, size))
    for category in found:
        for line in _lines(category, size):
            console.print(f"{category.category}: {line}", highlight=False, soft_wrap=True)


def _table(found: Sequence[CategoryCheck], size: tuple[int, int]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    empty = f"masks empty,\nat {size[0]} x {size[1]}"
    counts = ("train", "good", "defect-\nive", "types", "masks", empty, "same,\nalike", "broken", "passed\nover")
    table.add_column("category", no_wrap=True)
    for column in counts:
        table.add_column(column, justify="right", no_wrap=True)
    for column in ("pixels", "depth"):
        table.add_column(column)
    for one in found:
        numbers = (
            one.train,
            one.test_good,
            sum(one.defective.values()),
            len(one.defective),
            one.masks,
            f"{len(one.empty_masks)}, {len(one.vanished_masks)}",
            f"{len(one.duplicates)}, {len(one.near_duplicates)}",
            len(one.undecodable),
            sum(map(len, one.passed_over.values())),
        )
        texts = (_counts(one.sizes), _counts(one.kinds))
        table.add_row(one.category, *map(str, numbers), *texts)
    return table


def _counts(counts: Mapping[str, int]) -> str:
    """`512 x 512`, or the commonest of several and how many more there are."""
    ordered = sorted(counts, key=lambda name: -counts[name])
    return "-" if not ordered else ordered[0] + (f" (+ {len(ordered) - 1})" if len(ordered) > 1 else "")


def _lines(one: CategoryCheck, size: tuple[int, int]) -> list[str]:
    defective = sum(one.defective.values())
    lines = []
    if defective and not one.masks:
        lines.append("no masks: image metrics only")
    for images, what in (
        (one.empty_masks, "have an empty mask"),
        (one.vanished_masks, f"have a mask that vanishes at {size[0]} x {size[1]}"),
    ):
        if images:
            lines.append(f"{len(images)} of {defective} defective images {what}, first {images[0]}")
    if one.duplicates:
        first = " = ".join(one.duplicates[0])
        lines.append(f"test images that are training images too: {len(one.duplicates)}, first {first}")
    if one.near_duplicates:
        train, test, bits = one.near_duplicates[0]
        pairs = len(one.near_duplicates)
        lines.append(f"training and test images that look alike: {pairs}, first {train} ~ {test} ({bits} bits)")
    for kind, share in one.highest.items():
        if not kind.startswith("8-bit"):
            lines.append(f"{kind}: the highest value is {100 * share:.1f} % of white (data.white)")
    if one.undecodable:
        lines.append(f"files that cannot be decoded: {len(one.undecodable)}, first {one.undecodable[0]}")
    for why, paths in one.passed_over.items():
        lines.append(f"passed over ({why}): {len(paths)}, first {paths[0]}")
    for half, wrong in one.cached.items():
        lines.append(f"decoded {half} images: {wrong or 'whole in the cache'}")
    return [*lines, *(f"REFUSED: {problem}" for problem in one.problems)]
