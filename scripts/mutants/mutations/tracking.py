"""Mutations of rdpp/tracking."""

from mutations.mutation import Mutation

_DELIVERY = "tests/tracking/test_delivery.py"
_OUTBOX = "tests/tracking/test_outbox.py"
_TREE = "tests/tracking/test_tree.py"
_RUNS = "tests/runs/test_many.py"

MUTATIONS = [
    Mutation(
        "runs: unfinished ones are taken over",
        "rdpp/tracking/finished.py",
        " and attributes.status = 'FINISHED'",
        "",
        "tests/ablation/test_run.py",
    ),
    Mutation(
        "delivery: a record is removed before it is sent",
        "rdpp/tracking/sender.py",
        "            self._sink.write(record, failure)\n",
        "            path.unlink()\n            self._sink.write(record, failure)\n",
        f"{_DELIVERY} -k absent",
    ),
    Mutation(
        "delivery: an absent store is an error",
        "rdpp/tracking/delivery.py",
        "                if reason is None:\n",
        "                if True:\n",
        f"{_DELIVERY} -k absent",
    ),
    Mutation(
        "delivery: errors are kept from the owner",
        "rdpp/tracking/delivery.py",
        "            self.error = self.error or error\n            self._held",
        "            self._held",
        f"{_DELIVERY} -k marks",
    ),
    Mutation(
        "delivery: two send one outbox at once",
        "rdpp/tracking/sender.py",
        "            if not free:\n",
        "            if False:\n",
        f"{_DELIVERY} -k one_process",
    ),
    Mutation(
        "delivery: a parent is not opened first",
        "rdpp/tracking/sender.py",
        "                self._ensure(node)\n",
        "                pass\n",
        f"{_DELIVERY} -k opened_first",
    ),
    Mutation(
        "outbox: what was sent is put again",
        "rdpp/tracking/outbox.py",
        "        if name is not None and name in self.sent():\n",
        "        if False:\n",
        _OUTBOX,
    ),
    Mutation(
        "outbox: a run that goes on has ended",
        "rdpp/tracking/outbox.py",
        "                path.unlink(missing_ok=True)\n        payload",
        "                pass\n        payload",
        _OUTBOX,
    ),
    Mutation(
        "outbox: a parent's new record is removed with its folder",
        "rdpp/tracking/outbox.py",
        "            if self.training:\n                shutil",
        "            if True:\n                shutil",
        f"{_OUTBOX} -k as_the_folder",
    ),
    Mutation(
        "store: a node gets a run each time",
        "rdpp/tracking/store.py",
        "known = None if node is None else self.run_of_node(node)",
        "known = None",
        f"{_TREE} -k at_once",
    ),
    Mutation(
        "sink: a picture that is sent twice is there twice",
        "rdpp/tracking/sink.py",
        "if any(path.startswith(begin) for path in there):",
        "if False:",
        f"{_TREE} -k sent_twice",
    ),
    Mutation(
        "sink: metrics have the time of their sending",
        "rdpp/tracking/sink.py",
        "store.log_series(run_id, points, record.time)",
        "store.log_series(run_id, points)",
        f"{_TREE} -k sent_twice",
    ),
    Mutation(
        "recorder: every event's records have one name",
        "rdpp/tracking/recorder.py",
        'self._event = f"2-epoch-{event.epoch:07d}"',
        'self._event = "2-epoch"',
        f"{_TREE} -k goes_on_from",
    ),
    Mutation(
        "recorder: a run that failed has a result",
        "rdpp/tracking/recorder.py",
        "        if error is not None:\n",
        "        if False:\n",
        f"{_TREE} -k undefined",
    ),
    Mutation(
        "tree: only what MLflow has is found",
        "rdpp/tracking/tree.py",
        "here = find_here(self._outboxes, spec, since)",
        "here = None",
        f"{_TREE} -k before_it_is_delivered",
    ),
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
        '{**tags, "root": root}',
        '{**tags, "root": "the same"}',
        f"{_RUNS} -k begins_anew",
    ),
    Mutation(
        "runs: the checkpoint of another epoch is evaluated",
        "rdpp/tracking/finished.py",
        "return folder if folder.is_dir() and read_checkpoint(folder).epoch == epoch else None",
        "return folder",
        f"{_RUNS} -k another_epoch",
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
        "self.store.set_tags(finished, {taken_by(root): json.dumps(list(all_groups))})",
        "pass",
        f"{_RUNS} -k ablation_takes",
    ),
]
