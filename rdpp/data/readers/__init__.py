"""Layouts of data sets, a class each. A new one is a file here, a line in READERS and one in the conformance tests."""

from rdpp.data.readers.mvtec_ad import MvtecAd
from rdpp.data.readers.reader import Reader

READERS: dict[str, type[Reader]] = {
    "mvtec_ad": MvtecAd,
}
DEFAULT_READER = "mvtec_ad"

__all__ = ["DEFAULT_READER", "READERS", "MvtecAd", "Reader"]
