"""The matrix of an ablation: variants x categories x seeds."""

from rdpp.ablation.command import ablate
from rdpp.ablation.config import AblationConfig

__all__ = ["AblationConfig", "ablate"]
