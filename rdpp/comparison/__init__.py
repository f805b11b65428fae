"""Runs compared: found, paired, tested, and shown as tables, figures and a page."""

from rdpp.comparison.command import comparison_data, run_compare, run_rescore, show_comparison
from rdpp.comparison.report import write_report
from rdpp.comparison.tables import plain_answer

__all__ = ["comparison_data", "plain_answer", "run_compare", "run_rescore", "show_comparison", "write_report"]
