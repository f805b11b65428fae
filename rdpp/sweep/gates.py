"""Gates: the places of a trial's way at which a pruner is asked whether it goes on.

A trial's way goes through all its runs, one after the other, and is counted in evaluations. At a gate everything before
it must have ended. So the runs between two gates go at once, on as many workers as there are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Gate:
    """A place of the way, within a run or at its end."""

    run: int
    """Place of the run among the trial's runs."""
    evaluation: int
    """After so many evaluations of the run."""
    at_end: bool
    """Whether these are all that the run has planned."""
    step: int
    """Under which Optuna knows the report."""


def gates_of_rungs(planned: Sequence[int], least: int, factor: int) -> list[Gate]:
    """Gates at least, least * factor, least * factor**2, ... evaluations, as long as something comes after them.

    Args:
        planned: evaluations of each run.
        least: evaluations before the first gate.
        factor: between one gate and the next.

    >>> [(gate.run, gate.evaluation, gate.at_end) for gate in gates_of_rungs([3, 3, 3, 3], 2, 3)]
    [(0, 2, False), (1, 3, True)]
    """
    gates, step = [], least
    while step < sum(planned):
        run, before = 0, 0
        while before + planned[run] < step:
            before += planned[run]
            run += 1
        evaluation = step - before
        gates.append(Gate(run, evaluation, evaluation == planned[run], step))
        step *= factor
    return gates


def gates_of_runs(planned: Sequence[int]) -> list[Gate]:
    """A gate at the end of each run but the last; steps count runs."""
    return [Gate(run, evaluations, True, run) for run, evaluations in enumerate(planned[:-1])]


def open_runs(gates: Sequence[Gate], passed: int, ended: Mapping[int, object], runs: int) -> list[int]:
    """The runs that may begin now.

    Args:
        gates: in the way's order.
        passed: how many of them the trial has passed.
        ended: the runs that have ended, by place.
        runs: how many there are.
    """
    if passed == len(gates):
        return [run for run in range(runs) if run not in ended]
    gate = gates[passed]
    before = [run for run in range(gate.run) if run not in ended]
    alone = not before or gate.at_end
    return [*before, *([gate.run] if alone and gate.run not in ended else [])]


def is_reached(gate: Gate, ended: Mapping[int, object]) -> bool:
    """Whether everything before a gate, and its own run, has ended."""
    return all(run in ended for run in range(gate.run + 1))
