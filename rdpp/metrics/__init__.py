"""Metrics of anomaly detection: pure functions of arrays, exact, undefined (NaN) rather than guessed."""

from rdpp.metrics.aupimo import aupimo_of_each_image
from rdpp.metrics.aupro import aupro_of_each_image, pixel_aupro, pixel_aupro_per_image
from rdpp.metrics.finite import NotFinite
from rdpp.metrics.ranking import auroc, average_precision, f1_max
from rdpp.metrics.regions import Regions
from rdpp.metrics.summary import METRICS, evaluate, of_defect_type

__all__ = [
    "METRICS",
    "NotFinite",
    "Regions",
    "aupimo_of_each_image",
    "aupro_of_each_image",
    "auroc",
    "average_precision",
    "evaluate",
    "f1_max",
    "of_defect_type",
    "pixel_aupro",
    "pixel_aupro_per_image",
]
