"""MLflow runs, their pictures, and what a person sees meanwhile."""

from rdpp.tracking.campaign import Cell, cells, means, train_all, train_cell
from rdpp.tracking.console import ConsoleObserver, output_console, percent, results_table
from rdpp.tracking.evaluation import evaluate_source
from rdpp.tracking.maps import StoredMaps, load_maps
from rdpp.tracking.rescore import rescore
from rdpp.tracking.store import Store

__all__ = [
    "Cell",
    "ConsoleObserver",
    "Store",
    "StoredMaps",
    "cells",
    "evaluate_source",
    "load_maps",
    "means",
    "output_console",
    "percent",
    "rescore",
    "results_table",
    "train_all",
    "train_cell",
]
