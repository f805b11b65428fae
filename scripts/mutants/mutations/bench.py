"""Mutations of scripts/bench and scripts/studies."""

from mutations.mutation import Mutation

_BENCH = "scripts/bench/bench.py"
_LATENCY = "tests/test_latency.py"

MUTATIONS = [
    Mutation("bench: first turns count", _BENCH, "Taken(taken[name][warm:],", "Taken(taken[name],", _LATENCY),
    Mutation(
        "bench: workers do not take turns",
        _BENCH,
        """        for _ in range(warm + turns):
            for name, side in sides.items():
""",
        """        for name, side in sides.items():
            for _ in range(warm + turns):
""",
        _LATENCY,
    ),
    Mutation(
        "bench: ratio of medians",
        _BENCH,
        "median(a / b for a, b in zip(plain.seconds, rdpp.seconds, strict=True))",
        "median(plain.seconds) / median(rdpp.seconds)",
        _LATENCY,
    ),
    Mutation(
        "latency: PatchCore's bank of one image",
        "scripts/bench/latency.py",
        "share * IMAGES * PATCHES",
        "share * PATCHES",
        _LATENCY,
    ),
    Mutation(
        "agreement: the sides count with other epochs",
        "scripts/studies/agreement.py",
        "<= min(last.values())",
        "<= max(last.values())",
        "tests/docs/test_agreement.py",
    ),
    Mutation(
        "judged: the epoch that is worst on the test images",
        "scripts/studies/judged.py",
        "max(epochs, key=official_value)",
        "min(epochs, key=official_value)",
        "tests/comparison/test_judged.py",
    ),
]
