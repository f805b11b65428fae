"""RD++ (Revisiting Reverse Distillation, CVPR 2023) as an experiment-tracked sweep framework."""

__version__ = "0.1.0"
