"""The fixed list of small runs that equality.py records and resume.py stops and continues."""

from typing import Any

CATEGORIES = ["weave", "speckle", "bolt"]
BASE: dict[str, Any] = {
    "data": {"categories": ["bolt"], "image_size": 64},
    "teacher": {"name": "builtin"},
    "noise": {"name": "simplex", "field": "sample"},
    "losses": {
        "distillation": {},
        "ssot": {"pairing": "images", "positions": 16, "scaling": 0.5},
        "reconstruction": {"weight": 0.1},
        "contrast": {"weight": 0.1, "margin": 0.0},
    },
    "training": {"epochs": 2, "batch_size": 8, "accumulate": 2},
    "evaluation": {"selection": "last"},
    "seeds": [1],
    "device": "cpu",
    "threads": 1,
    "keep": "last",
    "heatmaps": 0,
}
_RELEASED = {
    "noise": {"field": "run"},
    "losses": {
        "ssot": {"pairing": "batch", "weight": 0.18},
        "reconstruction": {"weight": 0.0018},
        "contrast": {"weight": 0.018, "margin": 0.5},
    },
}
_NO_PAIRS = {"losses.ssot": None}
_PLAIN = {"projection": False, "noise": None, "losses": {"ssot": None, "reconstruction": None, "contrast": None}}

RUNS: dict[str, dict[str, Any]] = {
    "rd": _PLAIN,
    "rdpp": {},
    "released": {**_RELEASED, "evaluation.selection": "official"},
    "resnet18-rd": {**_PLAIN, "teacher": {"name": "resnet18", "weights": "random"}, "training.epochs": 1},
    "resnet18-rdpp": {"teacher": {"name": "resnet18", "weights": "random"}, "training.epochs": 1},
    "sliced_wasserstein": {**_NO_PAIRS, "losses.sliced_wasserstein": {"positions": 16, "projections": 8}},
    "energy": {**_NO_PAIRS, "losses.energy": {"positions": 16}},
    "mmd": {**_NO_PAIRS, "losses.mmd": {"positions": 16}},
    "gaussian": {"noise": {"name": "gaussian"}},
    "perlin": {"noise": {"name": "perlin"}},
    "cutpaste": {"noise": {"name": "cutpaste"}},
    "texture": {"noise": {"name": "texture"}},
    "held_out": {"evaluation.selection": "held_out", "training.epochs": 4},
    "audit": {
        "evaluation.selection": "held_out",
        "evaluation.audit": True,
        "evaluation.every": 2,
        "training.epochs": 5,
    },
    "patience": {"evaluation.selection": "held_out", "evaluation.patience": 1, "training.epochs": 8},
    "last-held_out": {"evaluation.hold_out": 0.2},
    "mean-of-3": {"training.reduction": "mean", "training.accumulate": 3},
    "steps": {"training.epochs": None, "training.steps": 7},
    "bf16": {"precision": "bf16", "training.epochs": 1},
    "no-feature-cache": {"feature_cache_gb": 0},
    "two-threads": {"threads": 2},
    "oblong": {"data.image_size": [64, 96], "training.epochs": 1},
    "three-categories-two-seeds": {"data.categories": CATEGORIES, "seeds": [1, 2]},
}
"""Each with the changes of BASE that make it."""

SPACE = {
    "optimizer.restoration_lr": {"kind": "float", "low": 1e-6, "high": 1e-2, "log": True},
    "noise.scale": {"kind": "float", "low": 0.05, "high": 1.0, "log": True},
}
SWEEPS: dict[str, dict[str, Any]] = {
    "halving": {"pruner": "halving", "trials": 9, "set": {"data.categories": ["bolt", "weave"], "training.epochs": 3}},
    "median": {"pruner": "median", "trials": 6, "set": {"data.categories": CATEGORIES, "training.epochs": 2}},
    "wilcoxon": {
        "pruner": "wilcoxon",
        "trials": 5,
        "set": {"data.categories": CATEGORIES, "seeds": [1, 2, 3, 4], "training.steps": 3, "training.epochs": None},
    },
}
ABLATION: dict[str, Any] = {
    "set": {"data.categories": ["bolt", "weave"], "seeds": [1, 2]},
    "baseline": "rd",
    "variants": {"rd": _PLAIN, "released": _RELEASED, "alive": {}},
}
