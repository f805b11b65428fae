"""Mutations of rdpp/config.py."""

from mutations.mutation import Mutation

MUTATIONS = [
    Mutation(
        "merge: settings of another kind kept",
        "rdpp/yaml_file.py",
        'return {"weight": old["weight"]} if "weight" in old else {}',
        "return old",
        "tests/test_experiment.py",
    ),
    Mutation(
        "config: true is a number",
        "rdpp/config.py",
        " or (isinstance(value, bool) and kind is not bool)",
        "",
        "tests/test_config.py",
    ),
    Mutation(
        "bf16: losses in bf16",
        "rdpp/types.py",
        "stage if stage.dtype == torch.float64 else stage.float()",
        "stage",
        "tests/engine/test_precision.py -k bf16",
    ),
    Mutation(
        "config: losses in the order of the file",
        "rdpp/config.py",
        "in registry.items() if mapping.get(name) is not None}",
        "in ((n, registry[n]) for n in mapping) if mapping.get(name) is not None}",
        "tests/test_experiment.py",
    ),
]
