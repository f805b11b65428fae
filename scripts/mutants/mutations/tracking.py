"""Mutations of rdpp/tracking."""

from mutations.mutation import Mutation

_WRITER = "tests/tracking/test_writer.py"
_RUNS = "tests/runs/test_many.py"
_PRESENCE = "tests/tracking/test_presence.py"

MUTATIONS = [
    Mutation(
        "runs: unfinished ones are taken over",
        "rdpp/tracking/finished.py",
        " and attributes.status = 'FINISHED'",
        "",
        "tests/ablation/test_run.py",
    ),
    Mutation(
        "writer: closing records are dropped",
        "rdpp/tracking/writer.py",
        'if self.error is None or (self._sink is not None and record.kind == "close"):',
        "if self.error is None:",
        _WRITER,
    ),
    Mutation("writer: errors are kept", "rdpp/tracking/writer.py", "if value is None:", "if False:", _WRITER),
    Mutation(
        "runs: a run without a checkpoint is as good",
        "rdpp/tracking/finished.py",
        'if experiment.keep in ("none", run.data.tags.get("keep"))',
        "if True",
        f"{_RUNS} -k without_the_files",
    ),
    Mutation(
        "runs: the maps that are wanted do not matter",
        "rdpp/tracking/finished.py",
        "    if experiment.keep_maps:\n",
        "    if False:\n",
        f"{_RUNS} -k without_the_files",
    ),
    Mutation(
        "compare: studies of one name are mixed",
        "rdpp/tracking/sink.py",
        '{**tags, "root": self._roots[parent]}',
        '{**tags, "root": "the same"}',
        f"{_RUNS} -k begins_anew",
    ),
    Mutation(
        "runs: the checkpoint of another epoch is evaluated",
        "rdpp/tracking/finished.py",
        "return folder if read_checkpoint(folder).epoch == finished.epoch else None",
        "return folder",
        f"{_RUNS} -k another_epoch",
    ),
    Mutation(
        "runs: what this process trained is not found",
        "rdpp/tracking/tree.py",
        "        self._recorded.add(spec.identity.training)\n",
        "",
        f"{_RUNS} -k equal_runs",
    ),
    Mutation(
        "pictures: one scale for all epochs",
        "rdpp/tracking/observer.py",
        "scale = Scale.of_maps(maps.astype(np.float32), known, labels)",
        "scale = Scale(0.1, 0.2, 0.15)",
        "tests/tracking/test_records.py",
    ),
    Mutation(
        "pictures: found where the spot is",
        "rdpp/tracking/figures.py",
        "mask.flat[int(anomaly_map.argmax())]",
        "mask.any()",
        "tests/tracking/test_figures.py",
    ),
    Mutation(
        "runs: taken over, a run does not belong to the ablation",
        "rdpp/tracking/sink.py",
        "self.store.set_tags(finished, {tag: json.dumps(list(all_groups))})",
        "pass",
        f"{_RUNS} -k ablation_takes",
    ),
    Mutation(
        "store: a command that reads makes one",
        "rdpp/tracking/store.py",
        "if not create and not exists(self.uri):",
        "if False:",
        _PRESENCE,
    ),
    Mutation(
        "store: a command that reads makes an experiment",
        "rdpp/tracking/store.py",
        "if known is None and not create:",
        "if False:",
        _PRESENCE,
    ),
    Mutation(
        "store: a copy passes",
        "rdpp/tracking/store.py",
        "check_artifacts(self.uri, known.artifact_location)",
        "pass",
        _PRESENCE,
    ),
    Mutation(
        "addresses: passwords are shown",
        "rdpp/tracking/location.py",
        '_PASSWORD.sub(r"\\1***@", str(text))',
        "str(text)",
        "tests/tracking/test_location.py",
    ),
    Mutation(
        "output: libraries print among the results",
        "rdpp/display/output.py",
        "with contextlib.redirect_stdout(sys.stderr):",
        "with contextlib.nullcontext():",
        "tests/test_cli.py -k json_is_alone",
    ),
]
