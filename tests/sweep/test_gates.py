"""Where a trial may be given up, and which runs may go at once."""

from rdpp.sweep.gates import gates_of_rungs, gates_of_runs, is_reached, open_runs

FIVE_EACH = [5] * 9


def test_rungs_lie_within_runs_and_at_their_ends():
    gates = gates_of_rungs([3, 3, 3, 3], 2, 3)
    assert [(g.run, g.evaluation, g.at_end, g.step) for g in gates] == [(0, 2, False, 2), (1, 3, True, 6)]


def test_nothing_is_asked_at_the_end_of_the_last_run():
    assert [gate.step for gate in gates_of_rungs([4, 4], 2, 2)] == [2, 4]
    assert gates_of_rungs([2], 2, 2) == []


def test_the_runs_before_a_gate_go_at_once_and_those_behind_it_wait():
    gates = gates_of_rungs(FIVE_EACH, 15, 2)  # at the end of the third and of the sixth run
    assert open_runs(gates, 0, {}, 9) == [0, 1, 2]
    assert open_runs(gates, 0, {1: 0.5}, 9) == [0, 2]
    assert open_runs(gates, 0, {0: 1.0, 1: 1.0, 2: 1.0}, 9) == []
    assert open_runs(gates, 1, {0: 1.0, 1: 1.0, 2: 1.0}, 9) == [3, 4, 5]
    assert open_runs(gates, 2, dict.fromkeys(range(6), 1.0), 9) == [6, 7, 8]


def test_a_run_with_a_gate_in_its_middle_waits_for_those_before_it():
    gates = gates_of_rungs(FIVE_EACH, 12, 10)  # in the middle of the third run
    assert open_runs(gates, 0, {}, 9) == [0, 1]
    assert open_runs(gates, 0, {0: 1.0}, 9) == [1]
    assert open_runs(gates, 0, {0: 1.0, 1: 1.0}, 9) == [2]
    assert open_runs(gates, 1, {0: 1.0, 1: 1.0}, 9) == [2, 3, 4, 5, 6, 7, 8]


def test_the_median_pruner_has_a_gate_behind_each_run_but_the_last():
    gates = gates_of_runs([2, 2, 2])
    assert [(gate.run, gate.at_end, gate.step) for gate in gates] == [(0, True, 0), (1, True, 1)]
    assert open_runs(gates, 1, {0: 1.0}, 3) == [1]


def test_without_gates_all_runs_go_at_once():
    assert open_runs([], 0, {2: None}, 4) == [0, 1, 3]


def test_a_gate_is_reached_when_its_run_and_all_before_it_have_ended():
    (gate,) = gates_of_rungs(FIVE_EACH, 15, 4)  # at the end of the third run
    assert [is_reached(gate, ended) for ended in ({2: 0.5}, {0: 0.5, 1: 0.5}, {0: 0.5, 1: None, 2: 0.5})] == [
        False,
        False,
        True,
    ]
