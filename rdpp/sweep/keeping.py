"""Of which trials checkpoints and pictures are kept: the best ones; of equal ones the earlier."""

from collections.abc import Iterable, Mapping

from optuna.trial import FrozenTrial, TrialState


def outranked(trials: Iterable[FrozenTrial], count: int, number: int, value: float | None) -> list[int]:
    """The trials that are not among the best any more, now that one ends; itself perhaps.

    Args:
        trials: of the study.
        count: how many are kept.
        number: of the trial that ends.
        value: its objective; None where it is not complete.
    """
    before = {other: of for other, of in _complete(trials).items() if other != number}
    after = before if value is None else {**before, number: value}
    return sorted({number, *_best(before, count)} - set(_best(after, count)))


def not_kept(trials: Iterable[FrozenTrial], count: int) -> list[int]:
    """All trials that have ended and are not among the best."""
    trials = list(trials)
    kept = _best(_complete(trials), count)
    return [trial.number for trial in trials if trial.state.is_finished() and trial.number not in kept]


def _complete(trials: Iterable[FrozenTrial]) -> dict[int, float]:
    """The objective of each trial that is complete."""
    return {t.number: t.value for t in trials if t.state == TrialState.COMPLETE and t.value is not None}


def _best(values: Mapping[int, float], count: int) -> list[int]:
    return sorted(values, key=lambda number: (-values[number], number))[:count]
