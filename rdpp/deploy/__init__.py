"""A trained network in use: found by its name, asked about new images."""

from rdpp.deploy.model import Model, load
from rdpp.deploy.prediction import ImagePrediction, Region, Unreadable
from rdpp.deploy.source import located

__all__ = ["ImagePrediction", "Model", "Region", "Unreadable", "load", "located"]
