"""Mutations of rdpp/metrics."""

from mutations.mutation import Mutation

_AUPRO = "tests/metrics/test_aupro.py"
_AUPIMO = "tests/metrics/test_aupimo.py"

MUTATIONS = [
    Mutation(
        "AU-PRO: pixels that touch at a corner lie apart",
        "rdpp/metrics/regions.py",
        "np.ones((3, 3), bool)",
        "ndimage.generate_binary_structure(2, 1)",
        "tests/metrics/test_regions.py",
    ),
    Mutation(
        "AU-PRO: regions reach into the next image",
        "rdpp/metrics/regions.py",
        "np.stack([np.zeros((3, 3), bool),",
        "np.stack([np.ones((3, 3), bool),",
        "tests/metrics/test_regions.py",
    ),
    Mutation(
        "AU-PRO: anomalous pixels left among the normal ones",
        "rdpp/metrics/pixels.py",
        "normal[:, :-1] -= anomalous",
        "normal[:, :-1] -= 0",
        _AUPRO,
    ),
    Mutation("AU-PRO: limit", "rdpp/metrics/aupro.py", "FPR_LIMIT = 0.3", "FPR_LIMIT = 0.25", _AUPRO),
    Mutation("official PRO: limit included", "rdpp/metrics/aupro.py", "fpr < FPR_LIMIT", "fpr <= FPR_LIMIT", _AUPRO),
    Mutation(
        "AUROC: ties lost",
        "rdpp/metrics/ranking.py",
        "(self.fps_above + self.fps) / 2",
        "self.fps",
        "tests/metrics/test_ranking.py",
    ),
    Mutation(
        "AUPIMO: linear in the rate",
        "rdpp/metrics/aupimo.py",
        "np.diff(np.log(edges)) / math.log(upper / lower)",
        "np.diff(edges) / (upper - lower)",
        _AUPIMO,
    ),
    Mutation("AUPIMO: ties count as found", "rdpp/metrics/aupimo.py", 'side="right"', 'side="left"', _AUPIMO),
    Mutation(
        "AUPIMO: normal pixels of defective images",
        "rdpp/metrics/aupimo.py",
        "_highest(pixels.maps, good,",
        "_highest(pixels.maps, np.arange(len(labels)),",
        _AUPIMO,
    ),
    Mutation(
        "padding: counted as normal pixels",
        "rdpp/metrics/pixels.py",
        "normal[0, 0] -= self.padding[group].sum()",
        "normal[0, 0] -= 0",
        "tests/metrics/test_padding.py",
    ),
]
