"""Optuna studies over an experiment."""

from rdpp.sweep.command import run_sweep
from rdpp.sweep.config import SweepConfig

__all__ = ["SweepConfig", "run_sweep"]
