"""Where the data sets come from that the readers know.

Addresses and SHA-256 digests of MVTec AD, VisA, BTAD and KolektorSDD are those that anomalib 2 publishes. The address
of MVTec LOCO is that of anomalib 1, and its digest one that others have published. The address of KolektorSDD2 is its
authors'. Where there is no address that stays, or one must ask for access, a data set is fetched by hand.
"""

from dataclasses import dataclass

_BY_NC_SA = "CC BY-NC-SA 4.0 (https://creativecommons.org/licenses/by-nc-sa/4.0/): for non-commercial use"


@dataclass(frozen=True, kw_only=True)
class Source:
    """A data set."""

    title: str
    reader: str
    """Name of its layout in `rdpp.data.READERS`."""
    licence: str
    page: str
    """Of its authors."""
    url: str | None = None
    """Of one archive; None where it is fetched by hand."""
    sha256: str | None = None
    """Of the archive; None where nobody publishes it: the first download is recorded."""
    top: str | None = None
    """Folder in the archive that is the data set; None: the archive's own top."""
    by_hand: str = ""
    """Why it is fetched by hand."""


SOURCES = {
    "mvtec_ad": Source(
        title="MVTec AD",
        reader="mvtec_ad",
        licence=_BY_NC_SA,
        page="https://www.mvtec.com/company/research/datasets/mvtec-ad",
        url="https://www.mydrive.ch/shares/38536/3830184030e49fe74747669442f0f282/download/420938113-1629952094/"
        "mvtec_anomaly_detection.tar.xz",
        sha256="cf4313b13603bec67abb49ca959488f7eedce2a9f7795ec54446c649ac98cd3d",
    ),
    "mvtec_ad_2": Source(
        title="MVTec AD 2",
        reader="mvtec_ad_2",
        licence=_BY_NC_SA,
        page="https://www.mvtec.com/company/research/datasets/mvtec-ad-2",
        by_hand="its page asks to fill in a form, and the addresses behind it change",
    ),
    "mvtec_loco": Source(
        title="MVTec LOCO AD",
        reader="mvtec_loco",
        licence=_BY_NC_SA,
        page="https://www.mvtec.com/company/research/datasets/mvtec-loco",
        url="https://www.mydrive.ch/shares/48237/1b9106ccdfbb09a0c414bd49fe44a14a/download/430647091-1646842701/"
        "mvtec_loco_anomaly_detection.tar.xz",
        sha256="9e7c84dba550fd2e59d8e9e231c929c45ba737b6b6a6d3814100f54d63aae687",
    ),
    "visa": Source(
        title="VisA",
        reader="visa",
        licence="CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/)",
        page="https://github.com/amazon-science/spot-diff",
        url="https://amazon-visual-anomaly.s3.us-west-2.amazonaws.com/VisA_20220922.tar",
        sha256="2eb8690c803ab37de0324772964100169ec8ba1fa3f7e94291c9ca673f40f362",
    ),
    "btad": Source(
        title="BTAD",
        reader="btad",
        licence="CC BY-SA, as its readme.txt says",
        page="https://github.com/pankajmishra000/VT-ADL",
        url="https://avires.dimi.uniud.it/papers/btad/btad.zip",
        sha256="461c9387e515bfed41ecaae07c50cf6b10def647b36c9e31d239ab2736b10d2a",
        top="BTech_Dataset_transformed",
    ),
    "kolektor_sdd": Source(
        title="KolektorSDD",
        reader="kolektor_sdd",
        licence=_BY_NC_SA,
        page="https://www.vicos.si/resources/kolektorsdd/",
        url="https://go.vicos.si/kolektorsdd",
        sha256="65dc621693418585de9c4467d1340ea7958a6181816f0dc2883a1e8b61f9d4dc",
    ),
    "kolektor_sdd2": Source(
        title="KolektorSDD2",
        reader="kolektor_sdd2",
        licence=_BY_NC_SA,
        page="https://www.vicos.si/resources/kolektorsdd2/",
        url="https://go.vicos.si/kolektorsdd2",
    ),
    "real_iad": Source(
        title="Real-IAD",
        reader="real_iad",
        licence=_BY_NC_SA,
        page="https://huggingface.co/datasets/REAL-IAD/Real-IAD",
        by_hand="its authors ask to request access there",
    ),
    "mpdd": Source(
        title="MPDD",
        reader="mvtec_ad",
        licence=_BY_NC_SA,
        page="https://github.com/stepanje/MPDD",
        by_hand="its page leads to a shared folder without an address that stays",
    ),
    "dagm": Source(
        title="DAGM 2007",
        reader="dagm",
        licence="CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/)",
        page="https://zenodo.org/records/12750201",
        by_hand="no address of one archive is known to rdpp",
    ),
}
"""By the name that `rdpp data download` takes."""
