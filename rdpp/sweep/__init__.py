"""Optuna studies over an experiment."""

from rdpp.sweep.after import BASE, confirmation
from rdpp.sweep.command import Ended, load_sweep, run_sweep
from rdpp.sweep.config import SweepConfig

__all__ = ["BASE", "Ended", "SweepConfig", "confirmation", "load_sweep", "run_sweep"]
