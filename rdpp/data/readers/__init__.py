"""Layouts of data sets, a class each. A new one is a file here, a line in READERS and one in the conformance tests."""

from rdpp.data.readers.btad import Btad
from rdpp.data.readers.dagm import Dagm
from rdpp.data.readers.folder import Folder
from rdpp.data.readers.kolektor import KolektorSdd, KolektorSdd2
from rdpp.data.readers.mvtec_ad import MvtecAd
from rdpp.data.readers.mvtec_ad_2 import MvtecAd2
from rdpp.data.readers.mvtec_loco import MvtecLoco
from rdpp.data.readers.reader import Reader
from rdpp.data.readers.real_iad import RealIad
from rdpp.data.readers.visa import Visa

READERS: dict[str, type[Reader]] = {
    "mvtec_ad": MvtecAd,
    "mvtec_ad_2": MvtecAd2,
    "mvtec_loco": MvtecLoco,
    "visa": Visa,
    "btad": Btad,
    "real_iad": RealIad,
    "kolektor_sdd": KolektorSdd,
    "kolektor_sdd2": KolektorSdd2,
    "dagm": Dagm,
    "folder": Folder,
}
AUTO = "auto"
"""In the place of a reader's name: the layout is recognised."""
DEFAULT_READER = AUTO

__all__ = ["AUTO", "DEFAULT_READER", "READERS", "Folder", "MvtecAd", "Reader"]
