"""Mutations of rdpp/engine."""

from mutations.mutation import Mutation

_FEATURES = "tests/engine/test_teacher_features.py"
_STEP = "tests/engine/test_step.py -k 'not official'"
_TRAIN = "tests/engine/test_train.py"
_CHECKPOINT = "tests/engine/test_checkpoint.py"
_SPEC = "tests/engine/test_spec.py"
_STATE = "tests/engine/test_state.py"
_SELECTION = "tests/engine/test_held_out_selection.py"
_INSPECTION = "tests/engine/test_inspection.py"

_THRESHOLDS = "tests/engine/test_thresholds.py"
_AVERAGE = "tests/engine/test_weight_average.py"

MUTATIONS = [
    Mutation(
        "average: the network itself is judged",
        "rdpp/engine/learning.py",
        "return self.network if self.average is None else self.average.network",
        "return self.network",
        _AVERAGE,
    ),
    Mutation(
        "average: early updates count as late ones",
        "rdpp/engine/weight_average.py",
        "1 - min(self.decay, (1 + updates) / (_EARLY + updates))",
        "1 - self.decay",
        _AVERAGE,
    ),
    Mutation(
        "average: no part of a run's state",
        "rdpp/engine/learning.py",
        '("network/", "adam/", "average/")',
        '("network/", "adam/")',
        _AVERAGE,
    ),
    Mutation(
        "average: runs of before are trained again",
        "rdpp/experiment.py",
        "            if data[section][key] is None:\n",
        "            if False:\n",
        _AVERAGE,
    ),
    Mutation(
        "thresholds: a quantile of N, not of N + 1",
        "rdpp/engine/thresholds.py",
        "int((count + 1) * _exact(rate))",
        "int(count * _exact(rate))",
        _THRESHOLDS,
    ),
    Mutation(
        "thresholds: from drawn defects too",
        "rdpp/engine/results.py",
        "        good = ~self.split.labels\n",
        "        good = self.split.labels | True\n",
        _THRESHOLDS,
    ),
    Mutation(
        "thresholds: the image itself sets its own threshold",
        "rdpp/engine/thresholds.py",
        " - _above(own, pooled[middle]) <= allowed",
        " <= allowed",
        _THRESHOLDS,
    ),
    Mutation(
        "thresholds: pixels of defective images are false alarms",
        "rdpp/engine/thresholds.py",
        "normal = maps[~labels]",
        "normal = maps",
        _THRESHOLDS,
    ),
    Mutation(
        "thresholds: from the test images",
        "rdpp/engine/checkpoint.py",
        'if run.watched == "held_out" and event',
        "if event",
        _THRESHOLDS,
    ),
    Mutation(
        "cross-fitting: folds are trained on",
        "rdpp/engine/cross_fitting.py",
        "np.setdiff1d(np.arange(len(whole)), rows)",
        "np.arange(len(whole))",
        "tests/engine/test_cross_fitting.py",
    ),
    Mutation(
        "step: never accumulated",
        "rdpp/engine/step.py",
        "self.learning.gathered == self.training.accumulate",
        "True",
        _STEP,
    ),
    Mutation("step: gradients kept", "rdpp/engine/learning.py", "        self.optimizer.zero_grad()\n", "", _STEP),
    Mutation(
        "step: terms overwrite", "rdpp/engine/step.py", " else parameter.grad + gradient", " else gradient", _STEP
    ),
    Mutation(
        "step: noise on the clean image",
        "rdpp/engine/step.py",
        "self.network(clean, teacher_noisy, restore",
        "self.network(teacher_noisy, clean, restore",
        _STEP,
    ),
    Mutation(
        "step: no noisy student",
        "rdpp/engine/step.py",
        'experiment.needs("noisy_student")',
        "False",
        _STEP,
    ),
    Mutation(
        "step: learning rates mixed up",
        "rdpp/engine/learning.py",
        "(network.projection_parameters(), config.projection_lr)",
        "(network.projection_parameters(), config.restoration_lr)",
        _STEP,
    ),
    Mutation(
        "train: an odd batch leaks",
        "rdpp/engine/training.py",
        "    run.stepper.update()\n",
        "",
        f"{_TRAIN} -k rest",
    ),
    Mutation(
        "train: weights from the global generator",
        "rdpp/engine/setup.py",
        "        network.initialise(streams.weights)\n",
        "",
        f"{_TRAIN} -k digit",
    ),
    Mutation(
        "selection: not rounded",
        "rdpp/engine/selection.py",
        "round(metrics[name], 4)",
        "metrics[name]",
        "tests/engine/test_selection.py",
    ),
    Mutation(
        "seeding: one stream for all uses",
        "rdpp/engine/seeding.py",
        "_generator(seed, use)",
        '_generator(seed, "all")',
        "tests/engine/test_seeding.py",
    ),
    Mutation(
        "checkpoint: any teacher",
        "rdpp/engine/checkpoint.py",
        "if fingerprint != checkpoint.teacher_fingerprint",
        "if False",
        f"{_CHECKPOINT} -k teacher",
    ),
    Mutation(
        "selection: epochs watched on the test set",
        "rdpp/engine/setup.py",
        'watched = held_out if spec.experiment.evaluation.watched == "held_out" else None',
        "watched = None",
        _SELECTION,
    ),
    Mutation(
        "selection: the last network is tested",
        "rdpp/engine/training.py",
        "        state.kept.restore(state.best_epoch, network)\n",
        "",
        _SELECTION,
    ),
    Mutation(
        "selection: a later epoch wins a tie",
        "rdpp/engine/selection.py",
        "value(metrics) > ",
        "value(metrics) >= ",
        _SELECTION,
    ),
    Mutation(
        "dead terms: nothing is dead",
        "rdpp/engine/inspection.py",
        "not self.rounding < 1",
        "self.rounding > 1e30",
        _INSPECTION,
    ),
    Mutation(
        "dead terms: float32 against itself",
        "rdpp/engine/inspection.py",
        "generator, torch.float64)",
        "generator, torch.float32)",
        _INSPECTION,
    ),
    Mutation(
        "accumulate: mean over all batches",
        "rdpp/engine/step.py",
        "parameter.grad /= self.learning.gathered",
        "parameter.grad /= 1",
        "tests/engine/test_step.py -k averaged",
    ),
    Mutation(
        "identity: training images no part of it",
        "rdpp/engine/spec.py",
        "parts = [self.settings, self.train_files, self.teacher, self.method]",
        "parts = [self.settings, self.teacher, self.method]",
        _SPEC,
    ),
    Mutation(
        "features: kept whatever the kernels",
        "rdpp/engine/teacher_features.py",
        "torch.get_num_threads(), kernels.are_on()",
        "torch.get_num_threads()",
        _FEATURES,
    ),
    Mutation(
        "adam: gradients as they lie",
        "rdpp/engine/adam.py",
        "if gradient.stride() == parameter.stride() else",
        "if gradient.shape == parameter.shape else",
        "tests/engine/test_adam.py",
    ),
    Mutation(
        "adam: one step for all",
        "rdpp/engine/adam.py",
        "lr=group.rate",
        "lr=self._groups[0].rate",
        "tests/engine/test_adam.py",
    ),
    Mutation(
        "features: splits mixed up",
        "rdpp/engine/teacher_features.py",
        "teacher.fingerprint, split.key,",
        "teacher.fingerprint,",
        _FEATURES,
    ),
    Mutation("features: budget ignored", "rdpp/engine/teacher_features.py", "0 < size <= left", "0 < size", _FEATURES),
    Mutation(
        "features: nothing makes room", "rdpp/engine/teacher_features.py", "if excess <= 0:", "if True:", _FEATURES
    ),
    Mutation(
        "features: of other images",
        "rdpp/engine/loader.py",
        "self.features.of(indices)",
        "self.features.of(indices.flip(0))",
        _FEATURES,
    ),
    Mutation(
        "patience: better epochs do not count",
        "rdpp/engine/training.py",
        "state.waited = 0 if chosen else state.waited + 1",
        "state.waited += 1",
        "tests/engine/test_length.py",
    ),
    Mutation(
        "patience: one evaluation more",
        "rdpp/engine/training.py",
        "final or state.waited == config.patience",
        "final or state.waited - 1 == config.patience",
        "tests/engine/test_length.py",
    ),
    Mutation(
        "steps: the last epoch is not cut",
        "rdpp/engine/training.py",
        "[: setup.steps - state.batch]",
        "",
        "tests/engine/test_length.py",
    ),
    Mutation(
        "identity: the teacher no part of it",
        "rdpp/engine/spec.py",
        "self.teacher, self.method]",
        "self.method]",
        _SPEC,
    ),
    Mutation(
        "identity: the method no part of it",
        "rdpp/engine/spec.py",
        "self.teacher, self.method]",
        "self.teacher]",
        _SPEC,
    ),
    Mutation(
        "identity: test files no part of the key",
        "rdpp/engine/spec.py",
        "return digest([self.training, self.test_files])",
        "return self.training",
        _SPEC,
    ),
    Mutation(
        "identity: test files that decide are forgotten",
        "rdpp/engine/spec.py",
        "digest([*parts, self.test_files] if self.test_decides else parts)",
        "digest(parts)",
        _SPEC,
    ),
    Mutation(
        "identity: other categories' epochs count",
        "rdpp/engine/spec.py",
        "training = dataclasses.replace(training, epochs=training.epochs_of(category))",
        "pass",
        _SPEC,
    ),
    Mutation("teachers: loaded for every run", "rdpp/engine/teachers.py", "if key not in _loaded:", "if True:", _SPEC),
    Mutation(
        "state: gradients are lost",
        "rdpp/engine/learning.py",
        "None if gradient is None else",
        "None if True else",
        _STATE,
    ),
    Mutation(
        "state: moments are lost",
        "rdpp/engine/learning.py",
        'if name.startswith(("network/", "adam/", "average/")):',
        'if name.startswith(("network/", "average/")):',
        _STATE,
    ),
    Mutation(
        "state: generators begin anew",
        "rdpp/engine/learning.py",
        '            getattr(self.streams, field.name).set_state(tensors[f"generator/{field.name}"])',
        "            pass",
        _STATE,
    ),
    Mutation(
        "state: gathered batches are not counted",
        "rdpp/engine/state.py",
        '    state.learning.gathered = content["gathered"]\n',
        "",
        f"{_STATE} -k several",
    ),
    Mutation(
        "state: the epoch begins anew",
        "rdpp/engine/state.py",
        '_PLAIN = ("epoch", "batch", "position",',
        '_PLAIN = ("epoch", "batch",',
        _STATE,
    ),
    Mutation(
        "state: the best epoch is forgotten",
        "rdpp/engine/state.py",
        'if content["metrics"] is not None:',
        "if False:",
        _STATE,
    ),
    Mutation(
        "state: kept epochs are forgotten", "rdpp/engine/state.py", "    state.kept.load(folder / _KEPT)\n", "", _STATE
    ),
    Mutation(
        "state: damage is not seen", "rdpp/engine/state.py", 'data["files"] != _checksums(folder)', "False", _STATE
    ),
    Mutation("state: another run's is taken", "rdpp/engine/state.py", 'if data["key"] != key:', "if False:", _STATE),
    Mutation(
        "state: the one of before is not read",
        "rdpp/engine/state.py",
        "for path in (folder, _aside(folder)):",
        "for path in (folder,):",
        _STATE,
    ),
    Mutation(
        "selection: a first undefined value stays",
        "rdpp/engine/selection.py",
        "if best is None or math.isnan(value(best)):",
        "if best is None:",
        "tests/engine/test_selection.py",
    ),
    Mutation(
        "selection: held-out images judged by the mean over images",
        "rdpp/engine/selection.py",
        'HELD_OUT_METRICS = ("image_auroc", "pixel_auroc", "pixel_aupro")',
        'HELD_OUT_METRICS = ("image_auroc", "pixel_auroc", "pixel_aupro_per_image")',
        "tests/engine/test_selection.py",
    ),
    Mutation(
        "preparing: a choice by an undefined metric passes",
        "rdpp/engine/preparing.py",
        "    if undefined:\n",
        "    if False:\n",
        "tests/engine/test_preparing.py",
    ),
    Mutation(
        "evaluation: padding is judged",
        "rdpp/engine/evaluation.py",
        "maps[loader.split.padding] = -np.inf",
        "pass",
        "tests/engine/test_padded_run.py",
    ),
]
