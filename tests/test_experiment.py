"""ExperimentConfig: its defaults against the released code, its files, and what it refuses."""

from pathlib import Path

import pytest
import yaml

from rdpp.config import ConfigError, flatten
from rdpp.experiment import ExperimentConfig
from rdpp.losses import LOSSES
from rdpp.losses.contrast import Contrast
from rdpp.losses.distillation import Distillation
from rdpp.losses.ssot import BatchSsot, ImagesSsot
from rdpp.models import TeacherConfig
from rdpp.noise import Simplex
from rdpp.yaml_file import merge, read_yaml

EXPERIMENTS = Path(__file__).parents[1] / "experiments"
MINIMAL = {"name": "x", "data": {"root": "images"}}
RELEASED_LOSSES = {"distillation": {}, "ssot": {"pairing": "batch"}, "reconstruction": {}, "contrast": {}}


def build(changes=None):
    return ExperimentConfig.from_mapping(merge(MINIMAL, changes or {}), "test")


@pytest.fixture
def released():
    return ExperimentConfig.from_yaml(EXPERIMENTS / "rdpp.yaml")


@pytest.mark.parametrize("path", sorted(EXPERIMENTS.glob("*.yaml")), ids=lambda path: path.name)
def test_every_experiment_file_is_valid_and_says_how_to_run_it(path):
    experiment = ExperimentConfig.from_yaml(path)
    assert experiment.name == path.stem
    head = [line for line in path.read_text().splitlines()[:6] if line.startswith("#")]
    assert any(f"experiments/{path.name}" in line for line in head)


def test_the_released_experiment_is_the_defaults_with_all_parts_on(released):
    """But for what the file has to say: the data, the teacher, epochs by category, the released selection."""
    plain = flatten(build({"noise": {}, "losses": RELEASED_LOSSES}).to_mapping())
    full = flatten(released.to_mapping())
    own = ("name", "data.root", "teacher.", "training.epochs", "evaluation.selection")
    shared = {path: value for path, value in full.items() if not path.startswith(own)}
    assert len(shared) > 25
    for path, value in shared.items():
        assert value == (pytest.approx(plain[path], rel=1e-12) if isinstance(value, float) else plain[path]), path


def test_the_released_experiment_is_what_the_paper_and_its_code_say(released):
    flat = flatten(released.to_mapping())
    expected = {
        "data.image_size": 256,
        "teacher.name": "wide_resnet50_2",
        "teacher.weights": "default",
        "projection": True,
        "noise.scale": 0.2,
        "noise.octaves": 6,
        "noise.persistence": 0.6,
        "noise.frequency": 32.0,
        "noise.min_size": 10,
        "noise.max_size": 31,
        "noise.field": "run",
        "losses.ssot.pairing": "batch",
        "losses.ssot.blur": 0.05,
        "losses.ssot.scaling": 0.95,
        "losses.contrast.margin": 0.5,
        "optimizer.projection_lr": 1e-3,
        "optimizer.restoration_lr": 5e-3,
        "optimizer.betas": [0.5, 0.999],
        "training.batch_size": 16,
        "training.accumulate": 2,
        "evaluation.selection": "official",
        "evaluation.every": 1,
        "evaluation.sigma": 4.0,
        "seeds": [111],
    }
    assert {path: flat[path] for path in expected} == expected


def test_the_effective_weights_of_the_released_losses(released):
    weights = {name: term.weight for name, term in released.terms.items()}
    inner = {"ssot": 1.0, "reconstruction": 0.01, "contrast": 0.1}
    expected = {name: 0.2 * weight / 1.11 for name, weight in inner.items()}
    assert weights == pytest.approx({"distillation": 1.0, **expected}, rel=1e-12)


def test_the_published_epochs_of_each_category(released):
    published = {
        10: "carpet leather",
        100: "wood",
        160: "hazelnut metal_nut",
        200: "pill bottle",
        240: "cable",
        260: "grid tile",
        280: "screw toothbrush",
        300: "capsule transistor zipper",
    }
    by_category = {name: epochs for epochs, names in published.items() for name in names.split()}
    assert len(by_category) == 15
    assert {name: released.training.epochs_of(name) for name in by_category} == by_category
    assert released.training.epochs_of("another") == 200
    assert build({"training": {"epochs": 7}}).training.epochs_of("carpet") == 7


def test_plain_reverse_distillation_differs_by_what_is_off(released):
    plain = flatten(ExperimentConfig.from_yaml(EXPERIMENTS / "rd.yaml").to_mapping())
    full = flatten(released.to_mapping())
    off = {path: plain.get(path) for path in plain.keys() | full.keys() if plain.get(path) != full.get(path)}
    off = {path: value for path, value in off.items() if not path.startswith(("noise.", "losses."))}
    assert off == {"name": "rd", "projection": False, "training.accumulate": 1}
    kept = {path: value for path, value in plain.items() if path.startswith(("noise", "losses"))}
    assert kept.pop("losses.distillation.weight") == 1.0
    assert kept == {"noise": None}


@pytest.mark.parametrize("path", sorted(EXPERIMENTS.glob("*.yaml")), ids=lambda path: path.name)
def test_written_and_read_again(path, tmp_path):
    experiment = ExperimentConfig.from_yaml(path)
    (tmp_path / "again.yaml").write_text(experiment.to_yaml())
    assert ExperimentConfig.from_yaml(tmp_path / "again.yaml") == experiment


def test_a_minimal_experiment_is_plain_distillation_with_the_builtin_teacher():
    experiment = build()
    assert experiment.teacher == TeacherConfig()
    assert experiment.terms == {"distillation": Distillation()}
    assert experiment.noise is None
    assert not experiment.needs("noise")


def test_terms_are_the_losses_with_a_weight():
    losses = {**RELEASED_LOSSES, "reconstruction": {"weight": 0}, "contrast": None}
    experiment = build({"noise": {}, "losses": losses})
    assert list(experiment.terms) == ["distillation", "ssot"]
    assert not experiment.needs("noise")
    assert build({"noise": {}, "losses": RELEASED_LOSSES}).needs("noise")


def test_a_loss_without_weight_needs_nothing():
    assert build({"projection": False, "losses": {"distillation": {}, "contrast": {"weight": 0}}}).terms.keys() == {
        "distillation"
    }


def test_a_size_is_a_side_or_height_and_width():
    assert build({"data": {"image_size": 64}}).data.size == (64, 64)
    assert build({"data": {"image_size": [64, 96]}}).data.size == (64, 96)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"data": {"image_size": 100}},
            r"data: image_size must be multiples of 32, got \[100, 100\]; .* is \[96, 96\]",
        ),
        ({"data": {"image_size": [64, 10]}}, r"multiples of 32, got \[64, 10\]; the nearest is \[64, 32\]"),
        ({"data": {"image_size": 0}}, r"multiples of 32, got \[0, 0\]; the nearest is \[32, 32\]"),
        ({"data": {"image_size": -64}}, r"multiples of 32, got \[-64, -64\]; the nearest is \[32, 32\]"),
        ({"data": {"image_size": [64]}}, r"image_size must be a side or \[height, width\], got \[64\]"),
        ({"data": {"image_size": [32, 32, 3]}}, r"a side or \[height, width\], got \[32, 32, 3\]"),
        ({"data": {"image_size": "256"}}, "data.image_size must be a whole number or a list of a whole number, got '2"),
        ({"data": {"rot": "x"}}, "unknown key in data 'rot', did you mean 'root'"),
        ({"data": {"reader": "mvtec"}}, r"data: unknown reader 'mvtec', did you mean 'mvtec_ad'\? choices: auto, btad"),
        (
            {"data": {"reader": "visa", "folder": {}}},
            "data: folder is for reader: folder, got reader: visa; set reader",
        ),
        ({"data": {"folder": {"god": "x"}}}, "unknown key in data.folder 'god', did you mean 'good'"),
        ({"data": {"categories": "screw"}}, "data.categories must be a list, got 'screw'"),
        ({"optimizer": {"projection_lr": 0}}, "optimizer: projection_lr must be above 0, got 0.0"),
        ({"optimizer": {"restoration_lr": -1}}, "optimizer: restoration_lr must be above 0, got -1.0"),
        ({"optimizer": {"betas": [0.5]}}, r"betas must be two numbers of at least 0 and below 1, got \[0.5\]"),
        ({"optimizer": {"betas": [0.5, 1]}}, r"betas must be two numbers .*, got \[0.5, 1.0\]"),
        ({"optimizer": {"betas": [-0.1, 0.9]}}, r"betas must be two numbers .*, got \[-0.1, 0.9\]"),
        ({"training": {"epochs": 0}}, "training: epochs must be at least 1, got 0 for default"),
        ({"training": {"epochs": {"default": 2, "screw": 0}}}, "epochs must be at least 1, got 0 for screw"),
        ({"training": {"epochs": {"screw": 2}}}, "epochs by category need a `default` entry for the other categories"),
        ({"training": {"batch_size": 0}}, "batch_size must be at least 1, got 0"),
        ({"training": {"accumulate": 0}}, "accumulate must be at least 1, got 0"),
        (
            {"evaluation": {"selection": "best"}},
            "unknown value for evaluation.selection 'best'; choices: held_out, last, official",
        ),
        ({"evaluation": {"every": 0}}, "evaluation: every must be at least 1, got 0"),
        ({"evaluation": {"sigma": -1}}, "evaluation: sigma must be at least 0, got -1.0"),
        ({"teacher": {"name": "resnet17"}}, "unknown value for teacher.name 'resnet17', did you mean 'resnet18'"),
        ({"noise": {"name": "simplx"}}, "unknown noise.name 'simplx', did you mean 'simplex'"),
        (
            {"losses": {"sot": {}}},
            r"losses: unknown key in losses 'sot', did you mean 'ssot'|unknown key .*'sot', did you",
        ),
        ({"losses": {"ssot": {"pairing": "image"}}}, "unknown losses.ssot.pairing 'image', did you mean 'images'"),
        ({"losses": {"ssot": {"positions": 3}}}, "unknown key in losses.ssot 'positions'"),
        ({"losses": {"contrast": {"margin": 2}}}, "losses.contrast: margin must lie between -1 and 1"),
        ({"losses": 3}, "losses must be a mapping of keys to values, got 3"),
        ({"losses": {}}, "losses must have at least one term with a weight above 0, such as distillation"),
        ({"losses": {"distillation": {"weight": 0}}}, "losses must have at least one term with a weight above 0"),
        (
            {"losses": {"ssot": {}}, "projection": False},
            "losses.ssot needs the projection; switch projection on, or set",
        ),
        (
            {"losses": {"reconstruction": {}}},
            "losses.reconstruction needs the noise; switch noise on, or set losses.reco",
        ),
        ({"losses": {"contrast": {}}}, "losses.contrast needs the noise"),
        ({"seeds": []}, "seeds must name at least one seed"),
        ({"seeds": [1, -2]}, r"seeds must be at least 0, got \[1, -2\]"),
        ({"seeds": [1, 2, 1]}, r"seeds must differ, got \[1, 2, 1\]"),
        (
            {"data": {"root": "x", "categories": ["bolt", "weave", "bolt"]}},
            "categories must differ, got bolt",
        ),
        ({"threads": 0}, "threads must be at least 1, got 0"),
        ({"heatmaps": -1}, "heatmaps must be at least 0, got -1"),
        ({"keep": "best"}, "unknown value for keep 'best'; choices: chosen, last, none"),
        ({"sedes": [1]}, "unknown key 'sedes', did you mean 'seeds'"),
    ],
)
def test_what_is_refused_names_its_source(changes, message):
    with pytest.raises(ConfigError, match=rf"^test: .*({message})"):
        build(changes)


def test_what_must_be_said():
    with pytest.raises(ConfigError, match=r"^x.yaml: name is missing; add it \(text\)"):
        ExperimentConfig.from_mapping({"data": {"root": "x"}}, "x.yaml")
    with pytest.raises(ConfigError, match=r"^x.yaml: data is missing; add it \(DataConfig\)"):
        ExperimentConfig.from_mapping({"name": "x"}, "x.yaml")


def write(folder, name, data):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(yaml.safe_dump(data))
    return folder / name


def test_a_file_is_the_difference_from_its_base(tmp_path):
    write(tmp_path, "first.yaml", merge(MINIMAL, {"training": {"epochs": 3, "batch_size": 4}, "seeds": [1, 2]}))
    write(tmp_path, "second.yaml", {"base": "first.yaml", "training": {"epochs": 5}})
    third = write(tmp_path / "deeper", "third.yaml", {"base": "../second.yaml", "name": "third", "seeds": [7]})
    experiment = ExperimentConfig.from_yaml(third)
    assert (experiment.name, experiment.seeds) == ("third", (7,))
    assert (experiment.training.epochs, experiment.training.batch_size) == (5, 4)


def test_null_switches_a_part_of_the_base_off(tmp_path):
    write(tmp_path, "base.yaml", merge(MINIMAL, {"noise": {}, "losses": RELEASED_LOSSES}))
    path = write(
        tmp_path, "a.yaml", {"base": "base.yaml", "noise": None, "losses": {"reconstruction": None, "contrast": None}}
    )
    experiment = ExperimentConfig.from_yaml(path)
    assert experiment.noise is None
    assert list(experiment.terms) == ["distillation", "ssot"]


def test_another_kind_drops_the_settings_of_the_old_one_but_its_weight():
    base = {"ssot": {"pairing": "batch", "weight": 0.3, "blur": 0.1}, "noise": {"name": "simplex", "scale": 1.0}}
    changes = {"ssot": {"pairing": "images", "positions": 5}, "noise": {"name": "other"}}
    assert merge(base, changes) == {
        "ssot": {"pairing": "images", "weight": 0.3, "positions": 5},
        "noise": {"name": "other"},
    }


def test_the_same_kind_keeps_its_settings():
    base = {"ssot": {"pairing": "batch", "weight": 0.3, "blur": 0.1}}
    assert merge(base, {"ssot": {"pairing": "batch", "blur": 0.2}})["ssot"] == {
        "pairing": "batch",
        "weight": 0.3,
        "blur": 0.2,
    }
    assert merge(base, {"ssot": {"weight": 1.0}})["ssot"] == {"pairing": "batch", "weight": 1.0, "blur": 0.1}


def test_merging_leaves_its_arguments_alone():
    base, changes = {"a": {"b": 1}}, {"a": {"c": 2}}
    assert merge(base, changes) == {"a": {"b": 1, "c": 2}}
    assert (base, changes) == ({"a": {"b": 1}}, {"a": {"c": 2}})


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(ConfigError, match=r"no file .*gone.yaml; give the path of a YAML file"):
        ExperimentConfig.from_yaml(tmp_path / "gone.yaml")
    (tmp_path / "broken.yaml").write_text("a: [1\nb: 2")
    with pytest.raises(ConfigError, match=r"broken.yaml is not YAML: .*line 2"):
        read_yaml(tmp_path / "broken.yaml")
    (tmp_path / "list.yaml").write_text("[1, 2]")
    with pytest.raises(ConfigError, match=r"list.yaml must hold a mapping of keys to values"):
        read_yaml(tmp_path / "list.yaml")
    (tmp_path / "based.yaml").write_text("base: gone.yaml")
    with pytest.raises(ConfigError, match=r"no file .*gone.yaml"):
        read_yaml(tmp_path / "based.yaml")


def test_a_file_with_itself_as_base(tmp_path):
    write(tmp_path, "a.yaml", {"base": "b.yaml"})
    write(tmp_path, "b.yaml", {"base": "a.yaml"})
    with pytest.raises(ConfigError, match=r"is its own base"):
        read_yaml(tmp_path / "a.yaml")


def test_errors_name_the_file(tmp_path):
    path = write(tmp_path, "a.yaml", merge(MINIMAL, {"seed": 3}))
    with pytest.raises(ConfigError, match=r"a.yaml: unknown key 'seed', did you mean 'seeds'"):
        ExperimentConfig.from_yaml(path)


def test_overrides_by_dotted_path(released):
    changed = released.with_overrides(
        {"losses.ssot.weight": 0.3, "noise.scale": 0.5, "data.categories": ["screw"], "training.epochs": 2}
    )
    assert changed.losses["ssot"] == BatchSsot(weight=0.3)
    assert changed.noise == Simplex(scale=0.5)
    assert changed.data.categories == ("screw",)
    assert changed.training.epochs_of("carpet") == 2
    assert released.losses["ssot"].weight == BatchSsot().weight


def test_an_override_may_change_the_kind_and_then_its_settings(released):
    changed = released.with_overrides({"losses.ssot.pairing": "images", "losses.ssot.positions": 9})
    assert changed.losses["ssot"] == ImagesSsot(weight=BatchSsot().weight, positions=9)


def test_overrides_may_switch_parts_off_and_on(released):
    off = released.with_overrides({"losses.contrast": None})
    assert "contrast" not in off.losses
    assert off.with_overrides({"losses.contrast.margin": 0.0}).losses["contrast"] == Contrast(margin=0.0)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"losses.sot.weight": 1}, r"unknown key.* 'sot', did you mean 'ssot'"),
        ({"training.epoch": 1}, "unknown key in training 'epoch', did you mean 'epochs'"),
        ({"name.x": 1}, "name must be text, got"),
        ({"training.batch_size": "many"}, "training.batch_size must be a whole number, got 'many'"),
        ({"noise": None}, "losses.reconstruction needs the noise"),
    ],
)
def test_overrides_that_do_not_fit(released, overrides, message):
    with pytest.raises(ConfigError, match=message):
        released.with_overrides(overrides)


def test_losses_stand_in_the_registrys_order_whatever_order_the_file_has(released):
    """They draw from one generator one after the other, so that their order decides digits."""
    data = released.to_mapping()
    data["losses"] = dict(reversed(data["losses"].items()))
    again = ExperimentConfig.from_mapping(data, "reversed")
    assert list(again.terms) == list(released.terms) == [name for name in LOSSES if name in released.losses]
    assert again == released
