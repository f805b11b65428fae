"""RD++ (Revisiting Reverse Distillation, CVPR 2023) as an experiment-tracked sweep framework."""

from rdpp.compiled import ensure_compiled_cache

__version__ = "0.1.0"

ensure_compiled_cache()
