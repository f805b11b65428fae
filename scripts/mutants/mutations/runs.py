"""Mutations of rdpp/runs."""

from mutations.mutation import Mutation

_RUNS = "tests/runs/test_many.py"

MUTATIONS = [
    Mutation(
        "runs: nothing is taken over",
        "rdpp/runs/many.py",
        "None if again else tree.find(plan.spec)",
        "None",
        f"{_RUNS} -k taken_over_with",
    ),
    Mutation(
        "runs: again is not heard",
        "rdpp/runs/many.py",
        "None if again else tree.find(plan.spec)",
        "tree.find(plan.spec)",
        f"{_RUNS} -k again_trains",
    ),
    Mutation(
        "runs: other test files do not matter",
        "rdpp/runs/many.py",
        "elif finished.same_test_files:",
        "elif True:",
        f"{_RUNS} -k other_test_files",
    ),
]
