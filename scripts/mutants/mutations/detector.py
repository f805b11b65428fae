"""Mutations of rdpp/detector.py."""

from mutations.mutation import Mutation

_INFERENCE = "tests/test_detector.py"
_SCORING = "tests/test_detector.py"

MUTATIONS = [
    Mutation(
        "evaluate: BatchNorm of the batch",
        "rdpp/detector.py",
        "copy.deepcopy(network).eval()",
        "copy.deepcopy(network).train()",
        _INFERENCE,
    ),
    Mutation(
        "detector: folds the network itself",
        "rdpp/detector.py",
        "copy.deepcopy(network).eval()",
        "network.eval()",
        _INFERENCE,
    ),
    Mutation("map: corners not aligned", "rdpp/detector.py", "align_corners=True", "align_corners=False", _SCORING),
    Mutation("map: another sigma", "rdpp/detector.py", "SIGMA = 4.0", "SIGMA = 3.0", _SCORING),
    Mutation("map: Gaussian's border", "rdpp/detector.py", "2 * size - 1 - places", "2 * size - places", _SCORING),
    Mutation("map: Gaussian's reach", "rdpp/detector.py", "_TRUNCATE = 4.0", "_TRUNCATE = 3.0", _SCORING),
    Mutation("score: mean", "rdpp/detector.py", "maps.amax(", "maps.mean(", _SCORING),
    Mutation("detector: bytes as they are", "rdpp/detector.py", ".div_(255)", "", _INFERENCE),
]
