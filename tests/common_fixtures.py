"""Fixtures that tests of several folders use."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from tracked import tracked_ablation
from variants import VARIANTS

from rdpp.ablation.config import AblationConfig
from rdpp.demo import make_categories
from rdpp.experiment import ExperimentConfig
from rdpp.tracking.conventions.location import create_sqlite, sqlite_url
from rdpp.tracking.store.mlflow_store import Store

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def golden():
    """Open one of the reference files, written by running the official code."""
    return lambda name: np.load(GOLDEN / name, allow_pickle=False)


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory):
    """Folder of synthetic categories: 64 x 64, 5 images to train on, 2 good ones and one a defect type to test on."""
    root = tmp_path_factory.mktemp("tiny")
    make_categories(root, size=64, train_good=5, test_good=2, per_defect=1)
    return root


@pytest.fixture(scope="session")
def tiny(tiny_data, tmp_path_factory):
    """The smallest experiment with every part switched on and every loss alive."""
    return ExperimentConfig.from_mapping(
        {
            "name": "tiny",
            "data": {
                "root": str(tiny_data),
                "categories": ["bolt"],
                "image_size": 64,
                "cache": str(tmp_path_factory.mktemp("cache")),
            },
            "teacher": {"name": "builtin"},
            "noise": {"name": "simplex", "field": "sample"},
            "losses": {
                "distillation": {},
                "ssot": {"pairing": "images", "positions": 16},
                "reconstruction": {"weight": 0.1},
                "contrast": {"weight": 0.1, "margin": 0.0},
            },
            "training": {"epochs": 2, "batch_size": 3, "accumulate": 2},
            "seeds": [1],
            "device": "cpu",
            "threads": 1,
        },
        "tiny",
    )


@pytest.fixture(scope="session")
def held_out(tiny, tmp_path_factory):
    """The tiny experiment, choosing by held-out images: on one category with 18 images to train on."""
    root = tmp_path_factory.mktemp("more")
    make_categories(root, size=64, train_good=18, test_good=2, per_defect=1)
    changes = {"data.root": str(root), "evaluation.selection": "held_out", "training.batch_size": 5}
    return tiny.with_overrides(changes)


def copying(made, make, request):
    """A function that copies an sqlite file to a path and gives its address.

    All processes of a session share the file that is copied: making its tables takes seconds.
    """
    folder = request.getfixturevalue("tmp_path_factory").getbasetemp()
    file = (folder.parent if hasattr(request.config, "workerinput") else folder) / made  # of a worker of xdist
    create_sqlite(file, make)

    def copy(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, path)
        return sqlite_url(path)

    return copy


@pytest.fixture(scope="session")
def new_store(request):
    """Put an MLflow store with nothing in it at a path."""
    from mlflow import MlflowClient

    return copying("mlflow.db", lambda uri: MlflowClient(uri).search_experiments(), request)


@pytest.fixture(scope="session")
def new_storage(request):
    """Put an Optuna database with nothing in it at a path."""
    from optuna.storages import RDBStorage

    return copying("optuna.db", RDBStorage, request)


@pytest.fixture(scope="session")
def store_uri(new_store, tmp_path_factory):
    """An MLflow store of its own, which the session's tests share."""
    return new_store(tmp_path_factory.mktemp("mlflow") / "mlflow.db")


@pytest.fixture
def printing_store(monkeypatch):
    """Stores print on standard output, as MLflow does where a server keeps the runs."""
    opened = Store.__init__

    def printing(self, *arguments, **options):
        opened(self, *arguments, **options)
        print("🏃 View run at: http://127.0.0.1:5000/")

    monkeypatch.setattr(Store, "__init__", printing)


@pytest.fixture(scope="session")
def write_ablation(held_out, tmp_path_factory):
    """Write an ablation file over the tiny experiment, and give its path."""

    def write(name="small", variants=None, seeds=(1, 2), baseline="rd", **more):
        folder = tmp_path_factory.mktemp("ablation")
        (folder / "base.yaml").write_text(held_out.with_overrides({"evaluation.selection": "official"}).to_yaml())
        settings = {"training.epochs": 1, "heatmaps": 0, "keep": "none", "keep_maps": True, "seeds": list(seeds)}
        data = {"name": name, "experiment": "base.yaml", "set": settings, "baseline": baseline}
        path = folder / "ablation.yaml"
        path.write_text(yaml.safe_dump({**data, "variants": variants or VARIANTS, **more}, sort_keys=False))
        return path

    return write


@pytest.fixture(scope="session")
def small(write_ablation, store_uri):
    """A finished ablation of two variants, one category and two seeds: its configuration, store and run."""
    ablation = AblationConfig.from_yaml(write_ablation())
    store = Store(store_uri)
    return ablation, store, tracked_ablation(ablation, store)
