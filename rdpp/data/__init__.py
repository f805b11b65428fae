"""Categories on disk, decoded once, in batches."""

from rdpp.data.batches import ordered, shuffled
from rdpp.data.cache import Split, load_test, load_train
from rdpp.data.held_out import held_out_rows, hold_out
from rdpp.data.layout import GOOD, Category, Item, list_categories, scan

__all__ = [
    "GOOD",
    "Category",
    "Item",
    "Split",
    "held_out_rows",
    "hold_out",
    "list_categories",
    "load_test",
    "load_train",
    "ordered",
    "scan",
    "shuffled",
]
