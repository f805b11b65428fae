"""What is done with a finished run: its network is asked about new images, and it is replayed."""

from rdpp.deploy.model import Model, load
from rdpp.deploy.prediction import ImagePrediction, Region, Unreadable
from rdpp.deploy.source import located

__all__ = ["ImagePrediction", "Model", "Region", "Unreadable", "load", "located"]
