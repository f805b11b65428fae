import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rdpp.config import ConfigError
from rdpp.demo import CATEGORIES, SCENES, draw_image, make_categories
from rdpp.demo.strengths import STRENGTHS

SMALL = {"size": 64, "train_good": 3, "test_good": 2, "per_defect": 1}
KINDS = [(category, defect) for category in CATEGORIES for defect in STRENGTHS[category]]


def digests(folder: Path) -> dict[str, str]:
    files = (p for p in folder.rglob("*") if p.is_file())
    return {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("synthetic")
    make_categories(root, **SMALL)
    return root


def test_the_layout_is_that_of_mvtec_ad(made: Path) -> None:
    assert sorted(p.name for p in made.iterdir()) == sorted(CATEGORIES)
    for category in CATEGORIES:
        folder = made / category
        assert sorted(p.name for p in (folder / "train" / "good").iterdir()) == [
            "000.png",
            "001.png",
            "002.png",
        ]
        assert len(list((folder / "test" / "good").iterdir())) == 2
        for defect in STRENGTHS[category]:
            assert [p.name for p in (folder / "test" / defect).iterdir()] == ["000.png"]
            assert [p.name for p in (folder / "ground_truth" / defect).iterdir()] == ["000_mask.png"]
        assert not (folder / "ground_truth" / "good").exists()


def test_images_are_rgb_and_masks_8_bit_of_0_and_255(made: Path) -> None:
    for path in made.rglob("*.png"):
        with Image.open(path) as image:
            assert image.size == (64, 64)
            assert image.mode == ("L" if path.stem.endswith("_mask") else "RGB")
            if image.mode == "L":
                assert set(np.unique(np.asarray(image))) == {0, 255}


def test_every_defect_has_its_strength() -> None:
    assert {c: set(SCENES[c].DEFECTS) for c in CATEGORIES} == {c: set(STRENGTHS[c]) for c in CATEGORIES}
    assert all(len(STRENGTHS[c]) >= 4 for c in CATEGORIES)


@pytest.mark.parametrize(("category", "defect"), KINDS)
def test_an_image_differs_from_its_defect_free_twin_exactly_within_the_mask(category: str, defect: str) -> None:
    for seed in range(3):
        image, mask = draw_image(category, defect, np.random.default_rng(seed), 96)
        twin, nothing = draw_image(category, None, np.random.default_rng(seed), 96)
        differs = np.abs(image.astype(int) - twin).max(2)
        assert not nothing.any()
        assert not differs[mask == 0].any()
        assert 6 <= (mask == 255).sum() < 0.15 * mask.size
        assert (differs[mask == 255] >= 6).mean() > 0.5  # the rest are pinholes that were closed


def test_the_same_seed_gives_the_same_bytes_and_another_one_others(made: Path, tmp_path: Path) -> None:
    make_categories(tmp_path / "same", categories=["bolt"], **SMALL)
    make_categories(tmp_path / "other", categories=["bolt"], seed=1, **SMALL)
    same, other = digests(tmp_path / "same" / "bolt"), digests(tmp_path / "other" / "bolt")
    assert same == digests(made / "bolt")
    assert all(same[name] != other[name] for name in same)


def test_more_images_leave_the_first_ones_as_they_were(made: Path, tmp_path: Path) -> None:
    more = SMALL | {"train_good": 4, "test_good": 3, "per_defect": 2}
    make_categories(tmp_path, categories=["speckle"], **more)
    few, many = digests(made / "speckle"), digests(tmp_path / "speckle")
    assert all(many[name] == digest for name, digest in few.items() if name != "recipe.json")


def test_the_same_recipe_again_touches_nothing(made: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in made.rglob("*")}
    make_categories(made, **SMALL)
    assert {p: p.stat().st_mtime_ns for p in made.rglob("*")} == before


def test_the_recipe_is_kept(made: Path) -> None:
    kept = json.loads((made / "weave" / "recipe.json").read_text())
    assert kept == SMALL | {"seed": 0, "version": 1}


@pytest.mark.parametrize("present", ["photo.png", "recipe.json"])
def test_a_folder_with_something_else_is_refused(tmp_path: Path, present: str) -> None:
    (tmp_path / "weave").mkdir()
    (tmp_path / "weave" / present).write_text("{}")
    with pytest.raises(ConfigError, match=r"weave is not empty and was not made by this recipe .* delete it"):
        make_categories(tmp_path, **SMALL)
    assert [p.name for p in (tmp_path / "weave").iterdir()] == [present]


def test_nothing_is_left_behind_by_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rdpp.demo.VISIBLE", 2.0)  # no change is ever seen
    with pytest.raises(AssertionError, match="weave/hole is never visible"):
        make_categories(tmp_path, categories=["weave"], **SMALL)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"categories": ["weav"]}, "unknown category 'weav', did you mean 'weave'"),
        ({"size": 16}, "size must be at least 64 pixels, got 16"),
        ({"seed": -1}, "seed must be 0 or more, got -1"),
        ({"train_good": 0}, "must be 1 or more"),
    ],
)
def test_arguments_out_of_range_are_refused(tmp_path: Path, arguments: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_categories(tmp_path, **arguments)
