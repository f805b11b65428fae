"""Variants side by side: the matrix, the statistics, the report."""

from rdpp.ablation.command import ablate, run_compare, run_rescore
from rdpp.ablation.report import write_report

__all__ = ["ablate", "run_compare", "run_rescore", "write_report"]
