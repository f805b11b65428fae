"""Mutations of rdpp/deploy."""

from mutations.mutation import Mutation

_MODEL, _TEST = "rdpp/deploy/model.py", "tests/deploy/test_model.py"
_PREDICTION = "rdpp/deploy/prediction.py"
_PREDICT = "tests/deploy/test_predict.py"
_REGISTRY, _REGISTRY_TEST = "rdpp/deploy/registry.py", "tests/deploy/test_registry.py"

MUTATIONS = [
    Mutation(
        "predict: a long name loses its end",
        "rdpp/display/predictions.py",
        "        name = name[1:]\n",
        "        name = name[:-1]\n",
        "tests/deploy/test_predict.py -k long_name",
    ),
    Mutation("deploy: images are always stretched", _MODEL, "data.size, data.fit)", 'data.size, "stretch")', _TEST),
    Mutation(
        "registry: a model that was logged is logged again",
        "rdpp/deploy/registered.py",
        "_logged_before(store, run_id, tags) or _log(",
        "_log(",
        f"{_REGISTRY_TEST} -k logged_before",
    ),
    Mutation(
        "registry: a model of other code is taken",
        "rdpp/deploy/registered.py",
        'for name in ("data", "program"))',
        'for name in ("data",))',
        f"{_REGISTRY_TEST} -k logged_before",
    ),
    Mutation(
        "deploy: padding stays in maps",
        _MODEL,
        "whole[top : top + height, left : left + width].copy()",
        "whole.copy()",
        _TEST,
    ),
    Mutation("deploy: an equal score is defective", _MODEL, "score > threshold", "score >= threshold", _TEST),
    Mutation(
        "deploy: regions in pixels of the network",
        _PREDICTION,
        "size[0] / network_map.shape[0], size[1] / network_map.shape[1]",
        "1, 1",
        _TEST,
    ),
    Mutation("deploy: corners do not connect", _PREDICTION, "np.ones((3, 3), bool)", "None", _TEST),
    Mutation(
        "deploy: images of one name meet",
        "rdpp/deploy/files.py",
        "Path(os.path.relpath(path, common))",
        "Path(os.path.basename(path))",
        _PREDICT,
    ),
    Mutation(
        "deploy: a broken image is success",
        "rdpp/deploy/command.py",
        'int(any("error" in row for row in rows))',
        "0",
        _PREDICT,
    ),
    Mutation(
        "deploy: thresholds of a run are not stored with it",
        "rdpp/deploy/thresholds.py",
        "if found.run_id is not None:",
        "if False:",
        "tests/deploy/test_thresholds.py",
    ),
    Mutation(
        "registry: a tie moves the alias", _REGISTRY, "value > value_before", "value >= value_before", _REGISTRY_TEST
    ),
    Mutation(
        "registry: the test images move the alias",
        _REGISTRY,
        "to_key(SELECTED + metric)",
        'to_key(f"test/{metric}")',
        _REGISTRY_TEST,
    ),
    Mutation(
        "registry: other training images are compared",
        _REGISTRY,
        "old.tags.get(TRAIN_MANIFEST)",
        "new.tags.get(TRAIN_MANIFEST)",
        _REGISTRY_TEST,
    ),
    Mutation(
        "registry: the teacher is looked for where it lay",
        "rdpp/deploy/pyfunc_model.py",
        'changes={"teacher.weights": str(folder / TEACHER)}',
        "changes={}",
        _REGISTRY_TEST,
    ),
    Mutation(
        "registry: the served rate is always the default",
        "rdpp/deploy/pyfunc_model.py",
        '(params or {}).get("rate", RATE)',
        "RATE",
        _REGISTRY_TEST,
    ),
    Mutation(
        "registry: the first request waits for compiled code",
        "rdpp/deploy/pyfunc_model.py",
        "        list(self._model.predict(np.zeros((*self._model.experiment.data.size, 3), np.uint8)))\n",
        "",
        f"{_REGISTRY_TEST} -k has_judged",
    ),
]
