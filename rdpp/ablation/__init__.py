"""Variants side by side: the matrix, the statistics, the report."""

from rdpp.ablation.command import ablate

__all__ = ["ablate"]
