"""A run's identity: what changes the key, what does not, and what it costs to know it."""

import hashlib
import importlib.resources
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rdpp.config import ConfigError
from rdpp.engine import RunSpec, grid, grids, machine_digest, prepare, spec, teachers


@pytest.fixture
def copied(held_out, tmp_path):
    """The experiment on a copy of its data that a test may spoil, and the category's folder."""
    root = tmp_path / "data"
    shutil.copytree(held_out.data.root, root)
    return held_out.with_overrides({"data.root": str(root)}), root / "bolt"


def identity(experiment, seed=1):
    return RunSpec.of(experiment, "bolt", seed).identity


def first_image(folder: Path) -> Path:
    return sorted(folder.glob("*.png"))[0]


def repaint(path: Path) -> None:
    with Image.open(path) as image:
        shape = np.asarray(image).shape
    Image.fromarray(np.full(shape, 255, np.uint8)).save(path)


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "other"},
        {"keep": "last", "heatmaps": 2, "keep_maps": True, "strict": True},
        {"device": "cpu", "threads": 2, "compile": "off", "feature_cache_gb": 0},
        {"seeds": [1, 9]},
        {"data.categories": ["bolt", "weave"]},
        {"data.reader": "mvtec_ad"},
        {"training.epochs": {"default": 7, "bolt": 2}},
    ],
)
def test_what_decides_no_result_is_no_part_of_the_key(held_out, changes):
    assert identity(held_out.with_overrides(changes)).key == identity(held_out).key


@pytest.mark.parametrize(
    "changes",
    [
        {"losses.ssot.weight": 0.5},
        {"training.epochs": 3},
        {"training.epochs": {"default": 2, "bolt": 3}},
        {"evaluation.sigma": 1.0},
        {"evaluation.selection": "last"},
        {"teacher.weights": "random"},
        {"noise.scale": 0.3},
    ],
)
def test_what_decides_the_result_changes_the_key(held_out, changes):
    assert identity(held_out.with_overrides(changes)).training != identity(held_out).training


def test_a_recognised_layout_is_known_by_its_name(held_out):
    assert held_out.data.reader == "auto"
    essence = RunSpec.of(held_out, "bolt", 1).experiment.essence()["data"]
    assert essence["reader"] == "mvtec_ad"
    assert "folder" not in essence


def test_the_settings_of_the_folder_reader_are_part_of_the_key(held_out):
    globs = {"good": "CATEGORY/train/good", "defective": "CATEGORY/test/scratch*"}
    experiment = held_out.with_overrides({"data.folder": globs})
    assert RunSpec.of(experiment, "bolt", 1).experiment.data.reader == "folder"
    assert identity(experiment).key == identity(experiment.with_overrides({"data.reader": "folder"})).key
    assert identity(experiment).settings != identity(experiment.with_overrides({"data.folder.seed": 5})).settings
    assert identity(experiment).settings != identity(held_out).settings


def test_seed_and_method_are_part_of_it(held_out, monkeypatch):
    assert identity(held_out, 2).training != identity(held_out).training
    before = identity(held_out).training
    monkeypatch.setattr(spec.Identity, "__init__", _with_method(spec.Identity.__init__, spec.METHOD + 1))
    assert identity(held_out).training != before


def _with_method(init, method):
    return lambda self, **parts: init(self, **{**parts, "method": method})


def test_the_place_of_the_files_does_not_matter(held_out, copied, tmp_path):
    assert identity(copied[0]) == identity(held_out)
    shipped = importlib.resources.files("rdpp.models") / "builtin_teacher.safetensors"
    shutil.copy(str(shipped), tmp_path / "elsewhere.safetensors")
    moved = held_out.with_overrides({"teacher.weights": str(tmp_path / "elsewhere.safetensors")})
    assert identity(moved) == identity(held_out)


def test_a_changed_training_image_is_another_training(held_out, copied):
    experiment, folder = copied
    repaint(first_image(folder / "train" / "good"))
    assert identity(experiment).training != identity(held_out).training


@pytest.mark.parametrize("change", ["image", "mask", "deleted", "renamed"])
def test_changed_test_files_are_another_evaluation_of_the_same_training(held_out, copied, change):
    experiment, folder = copied
    image = first_image(folder / "test" / "good")
    if change == "image":
        repaint(image)
    elif change == "mask":
        repaint(first_image(next(p for p in (folder / "ground_truth").iterdir() if p.is_dir())))
    elif change == "deleted":
        image.unlink()
    else:
        image.rename(image.with_name("999.png"))
    found, before = identity(experiment), identity(held_out)
    assert found.training == before.training
    assert found.key != before.key


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"evaluation.selection": "last", "evaluation.hold_out": None}, True),
        ({"evaluation.selection": "official"}, False),
        ({"evaluation.audit": True}, True),
    ],
)
def test_where_the_test_images_decide_they_are_part_of_the_training(copied, changes, same):
    experiment, folder = copied
    experiment = experiment.with_overrides(changes)
    before = identity(experiment)
    repaint(first_image(folder / "test" / "good"))
    assert (identity(experiment).training == before.training) is same
    assert identity(experiment).key != before.key


def test_test_files_that_are_not_there_yet_are_unknown(copied, held_out):
    experiment, folder = copied
    shutil.rmtree(folder / "test")
    found = identity(experiment)
    assert found.test_files is None
    assert found.training == identity(held_out).training
    assert found.key != identity(held_out).key


def test_a_grid_is_every_category_with_every_seed(tiny):
    experiment = tiny.with_overrides({"data.categories": ["weave", "bolt"], "seeds": [5, 6]})
    specs = grid(experiment)
    assert [s.name for s in specs] == ["weave-seed5", "bolt-seed5", "weave-seed6", "bolt-seed6"]
    assert [(s.experiment.data.categories, s.experiment.seeds) for s in specs][1] == (("bolt",), (5,))


def test_an_unknown_category(tiny):
    with pytest.raises(ConfigError, match=r"unknown category .*'bold', did you mean 'bolt'"):
        grid(tiny.with_overrides({"data.categories": ["bold"]}))


def test_one_list_of_runs_resolves_hashes_and_loads_once(copied, monkeypatch):
    experiment, folder = copied
    for path in folder.rglob("*.png"):
        os.utime(path, (0, 0))  # one that was just written is not remembered yet
    counts = {"resolve": 0, "teacher": 0}
    hashed: list[str] = []
    resolve, load, file_digest = spec.resolve, teachers.load_teacher, hashlib.file_digest

    def counted(name, function):
        def call(*arguments):
            counts[name] += 1
            return function(*arguments)

        return call

    def digest(file, kind):
        hashed.append(file.name)
        return file_digest(file, kind)

    monkeypatch.setattr(spec, "resolve", counted("resolve", resolve))
    monkeypatch.setattr(teachers, "load_teacher", counted("teacher", load))
    monkeypatch.setattr(hashlib, "file_digest", digest)
    teachers._loaded.clear()
    teachers._fingerprints.clear()
    variants = [experiment.with_overrides({"losses.ssot.weight": w, "seeds": [1, 2, 3]}) for w in (0.1, 0.2, 0.3)]
    keys = {s.identity.key for specs in grids(variants) for s in specs}
    assert len(keys) == 9
    assert counts == {"resolve": 3, "teacher": 1}
    assert sorted(hashed) == sorted(map(str, folder.rglob("*.png")))
    again = grids(variants)[0]
    prepare(again)  # as the trials of a study do: another list of the same runs
    shared = {teachers.shared_teacher(s.experiment.teacher, s.seed, "cpu") for s in again}  # as each training does
    assert (counts["teacher"], len(shared)) == (1, 1)
    assert len(hashed) == len(set(hashed))


def test_the_machine_is_no_part_of_the_key_and_told_apart(tiny):
    one, two = (RunSpec.of(tiny.with_overrides({"threads": n}), "bolt", 1) for n in (1, 2))
    assert one.identity.key == two.identity.key
    assert machine_digest(one.experiment) != machine_digest(two.experiment)
