"""Mutations of rdpp/deploy."""

from mutations.mutation import Mutation

_REPLAY = "tests/deploy/test_replay.py"

MUTATIONS = [
    Mutation(
        "replay: metrics that are nearly equal are equal",
        "rdpp/deploy/replay.py",
        'if torch.device(experiment.device).type == "cuda" else 0.0',
        "if True else 0.0",
        f"{_REPLAY} -k one_last_digit",
    ),
    Mutation(
        "replay: another epoch is chosen within a tolerance",
        "rdpp/deploy/replay.py",
        "name not in COUNTS and abs(recorded - now)",
        "abs(recorded - now)",
        f"{_REPLAY} -k counts_are_equal",
    ),
    Mutation(
        "replay: changed data is trained on",
        "rdpp/deploy/replay.py",
        "if not data or options.changed_data:",
        "if True:",
        f"{_REPLAY} -k changed_data",
    ),
    Mutation(
        "replay: new files are passed over",
        "rdpp/deploy/replay.py",
        "added_files(manifest, spec.category))",
        "())",
        f"{_REPLAY} -k changed_data",
    ),
    Mutation(
        "replay: new files are passed over where others are missing",
        "rdpp/deploy/replay.py",
        "spec = _on_data_of_now(now, data, tell)",
        "spec = None if data.missing else _on_data_of_now(now, data, tell)",
        f"{_REPLAY} -k changed_data",
    ),
    Mutation(
        "replay: what the replay lacks is not missed",
        "rdpp/deploy/replay.py",
        "        if recorded is None or now is None:\n            return False",
        "        if recorded is None or now is None:\n            return True",
        f"{_REPLAY} -k counts_are_equal",
    ),
    Mutation(
        "replay: held-out metrics are not compared",
        "rdpp/deploy/replay_worker.py",
        "{} if result.held_out is None else result.held_out.metrics",
        "{}",
        f"{_REPLAY} -k mlflow_does_not_change",
    ),
    Mutation(
        "replay: another package than the clone's trains",
        "rdpp/deploy/commit.py",
        '"PYTHONPATH": str(package.parent), ',
        "",
        f"{_REPLAY} -k own_code",
    ),
]
