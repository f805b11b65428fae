"""Mutations of rdpp/sweep."""

from mutations.mutation import Mutation

_RUNS = "tests/runs/test_many.py"
_HALVING = "tests/sweep/test_halving.py"

MUTATIONS = [
    Mutation(
        "sweep: chosen by the test set",
        "rdpp/sweep/objective.py",
        "values.append(self.value(outcome.deciding))",
        "values.append(self.value(outcome.metrics))",
        "tests/sweep/test_study.py -k see_the_test",
    ),
    Mutation(
        "halving: a run that stopped early lags behind",
        "rdpp/sweep/halving.py",
        "(own if ended else self._evaluation)",
        "self._evaluation",
        _HALVING,
    ),
    Mutation(
        "halving: the latest evaluation, not the one that counts",
        "rdpp/sweep/halving.py",
        "if chosen or self._last_counts:",
        "if metrics:",
        "tests/sweep/test_halving.py",
    ),
    Mutation(
        "halving: a trial tried again meets itself",
        "rdpp/sweep/halving.py",
        " if trial.state != TrialState.FAIL]",
        "]",
        _HALVING,
    ),
    Mutation(
        "budget: what is spent is forgotten",
        "rdpp/sweep/study.py",
        "spent_steps(study) >= sweep.budget",
        "spent_steps(study) >= sweep.budget + 2",
        f"{_HALVING} -k budget",
    ),
    Mutation(
        "sweep: a repeated trial counts what it trained alone",
        "rdpp/sweep/objective.py",
        "self.count += event.finished.steps",
        "pass",
        f"{_RUNS} -k repeated_trial",
    ),
    Mutation(
        "sweep: a repeated trial's finished runs are not reported",
        "rdpp/sweep/halving.py",
        "            self._replay(event)",
        "            pass",
        f"{_RUNS} -k repeated_trial",
    ),
    Mutation(
        "keep_runs: the worst trials are kept",
        "rdpp/sweep/keeping.py",
        "key=lambda number: (-values[number], number)",
        "key=lambda number: (values[number], number)",
        "tests/sweep/test_job.py -k kept_of_the_best",
    ),
]
