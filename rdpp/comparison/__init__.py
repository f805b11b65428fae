"""Runs compared: found, paired, tested, and shown as tables, figures and a page."""

from rdpp.comparison.command import run_compare, run_rescore
from rdpp.comparison.report import write_report

__all__ = ["run_compare", "run_rescore", "write_report"]
