"""MLflow runs, their pictures, and what a person sees meanwhile."""

from rdpp.tracking.campaign import Cell, cells, means, train_all, train_cell
from rdpp.tracking.console import ConsoleObserver, output_console, percent, results_table
from rdpp.tracking.evaluation import evaluate_source
from rdpp.tracking.store import Store

__all__ = [
    "Cell",
    "ConsoleObserver",
    "Store",
    "cells",
    "evaluate_source",
    "means",
    "output_console",
    "percent",
    "results_table",
    "train_all",
    "train_cell",
]
