"""Categories on disk as a reader lists them, hashed and decoded once, in batches."""

from rdpp.data.batches import ordered, shuffled
from rdpp.data.cache import load_test, load_train
from rdpp.data.category import Category, list_categories, scan
from rdpp.data.decoding import MAX_MEGAPIXELS, Fit, Reading
from rdpp.data.files import file_digest, printable
from rdpp.data.held_out import held_out_rows, hold_out
from rdpp.data.item import GOOD, Item
from rdpp.data.readers import AUTO, DEFAULT_READER, READERS, Folder, Reader
from rdpp.data.recognising import described, name_of, reader_at
from rdpp.data.split import Split

__all__ = [
    "AUTO",
    "DEFAULT_READER",
    "GOOD",
    "MAX_MEGAPIXELS",
    "READERS",
    "Category",
    "Fit",
    "Folder",
    "Item",
    "Reader",
    "Reading",
    "Split",
    "described",
    "file_digest",
    "held_out_rows",
    "hold_out",
    "list_categories",
    "load_test",
    "load_train",
    "name_of",
    "ordered",
    "printable",
    "reader_at",
    "scan",
    "shuffled",
]
