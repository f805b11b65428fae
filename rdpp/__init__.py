"""RD++ (Revisiting Reverse Distillation, CVPR 2023) as an experiment-tracked sweep framework."""

from os import PathLike
from typing import TYPE_CHECKING

from rdpp.compiled import ensure_compiled_cache

if TYPE_CHECKING:
    from rdpp.deploy import Model

__version__ = "0.1.0"

ensure_compiled_cache()


def load(source: str | PathLike[str], device: str = "auto", tracking_uri: str | None = None) -> "Model":
    """Load a trained network, to ask it about new images; see `rdpp.deploy.load`."""
    from rdpp.deploy import load as load_model  # torch and MLflow take seconds

    return load_model(source, device, tracking_uri)
