"""The matrix of an ablation: variants x categories x seeds."""

from rdpp.ablation.command import ablate

__all__ = ["ablate"]
