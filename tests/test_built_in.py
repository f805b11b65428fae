"""The files that come with the package: all named, found by path or name, of the kind that is wanted, written."""

from pathlib import Path

import pytest

from rdpp import built_in
from rdpp.ablation.config import AblationConfig
from rdpp.built_in import FILES, HOME, find_file, write_files
from rdpp.cli import main
from rdpp.config import ConfigError
from rdpp.demo import make_categories
from rdpp.engine import grid
from rdpp.experiment import ExperimentConfig
from rdpp.sweep.config import SweepConfig
from rdpp.sweep.pruners import PRUNERS
from rdpp.sweep.way import planned_evaluations

READ = {"experiment": ExperimentConfig, "sweep": SweepConfig, "ablation": AblationConfig}
COMMAND = {"experiment": "train", "sweep": "sweep", "ablation": "ablate"}
NAMES = [(kind, name) for kind, names in FILES.items() for name in names]


@pytest.fixture
def empty(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_file_of_the_two_folders_has_a_name():
    there = {
        path.relative_to(HOME).as_posix() for part in ("experiments", "sweeps") for path in (HOME / part).iterdir()
    }
    assert {name for names in FILES.values() for name in names.values()} == there


@pytest.mark.parametrize(("kind", "name"), NAMES)
@pytest.mark.parametrize("place", ["built in", "written"])
def test_a_name_is_a_file_that_can_be_read_in_both_places(kind, name, place, empty, tiny_data):
    data = tiny_data if "rdpp" not in name and name != "mvtec" else _mvtec(empty)
    write_files(empty)
    path = find_file(kind, Path(name)) if place == "built in" else empty / FILES[kind][name]
    changes = {"data.root": str(data), "data.categories": ["bolt"], "data.cache": str(empty / "cache")}
    if kind == "experiment":
        assert ExperimentConfig.from_yaml(path).name == name
    else:
        assert READ[kind].from_yaml(path, {**changes, "teacher": {"name": "builtin"}}).name


def _mvtec(folder):
    make_categories(folder / "data/mvtec", size=64, train_good=5, test_good=2, per_defect=1)
    return folder / "data/mvtec"


def test_the_demonstration_prunes_once_and_evaluates_each_run_twice(empty, tiny_data):
    changes = {"data.root": str(tiny_data), "data.cache": str(empty / "cache")}
    sweep = SweepConfig.from_yaml(HOME / "sweeps/demo.yaml", changes)
    planned = planned_evaluations(grid(sweep.experiment))
    gates = PRUNERS[sweep.pruner].gates
    assert gates is not None
    assert planned == [2, 2, 2, 2]  # so each run's gallery has two epochs
    (gate,) = gates(sweep.halving, planned)
    assert (gate.run, gate.at_end) == (1, True)  # after both categories of the first seed


def test_a_file_goes_before_a_name(empty):
    (empty / "demo").write_text("own")
    assert find_file("experiment", Path("demo")) == Path("demo")
    (empty / "demo").unlink()
    (empty / "demo").mkdir()
    assert find_file("experiment", Path("demo")) == HOME / "experiments/demo.yaml"


@pytest.mark.parametrize(
    ("kind", "given", "message"),
    [
        ("experiment", "x.yaml", "no experiment file x.yaml; built-in: demo, rd, rdpp, recommended; rdpp init writes"),
        ("experiment", "experiments/demo.yaml", "no experiment file experiments/demo.yaml; built-in: demo"),
        ("sweep", "dmo", "no sweep 'dmo', neither a file nor built in; built-in: demo"),
        ("ablation", "rd", "no ablation 'rd', neither a file nor built in; built-in: demo, mvtec"),
    ],
)
def test_a_missing_file_names_the_built_in_ones(kind, given, message, empty, capsys):
    assert main([COMMAND[kind], given]) == 2
    assert message in capsys.readouterr().err


def test_a_sweep_may_name_a_built_in_experiment(empty, tiny_data):
    (empty / "own.yaml").write_text("name: own\nexperiment: demo\ntrials: 1\nspace: {noise.scale: {low: 0.1, high: 1}}")
    changes = {"data.root": str(tiny_data), "data.categories": ["bolt"], "data.cache": str(empty / "cache")}
    assert SweepConfig.from_yaml(Path("own.yaml"), changes).experiment.name == "demo"
    (empty / "own.yaml").write_text("name: own\nexperiment: dmo\nspace: {noise.scale: {low: 0.1, high: 1}}")
    with pytest.raises(ConfigError, match="no experiment 'dmo', neither a file nor built in"):
        SweepConfig.from_yaml(Path("own.yaml"))


@pytest.mark.parametrize("wanted", COMMAND)
@pytest.mark.parametrize("given", COMMAND)
def test_a_file_of_another_kind_says_which_command_is_for_it(wanted, given, empty, capsys):
    path = HOME / FILES[given]["demo"]
    assert main([COMMAND[wanted], str(path)]) == 2
    line = capsys.readouterr().err
    if wanted == given:
        assert line == f"rdpp: {'' if given == 'experiment' else f'{path}: '}{_no_data(empty)}\n"
    else:
        assert line.startswith(f"rdpp: {path} is a")
        assert line.endswith(f"; use rdpp {COMMAND[given]} {path}\n")


def _no_data(folder):
    return f"no data in {folder / 'data/synthetic'}; run: rdpp data synth {folder / 'data/synthetic'}"


def test_init_writes_every_file_and_keeps_what_is_there(empty, capsys):
    assert main(["init", "new"]) == 0
    files = sorted(path.relative_to("new").as_posix() for path in Path("new").rglob("*.yaml"))
    assert files == sorted({name for names in FILES.values() for name in names.values()})
    for name in files:
        assert Path("new", name).read_bytes() == (HOME / name).read_bytes()
    Path("new/sweeps/demo.yaml").write_text("mine")
    Path("new/experiments/rd.yaml").unlink()
    capsys.readouterr()
    assert main(["init", "new"]) == 0
    told = capsys.readouterr().err.splitlines()
    assert "wrote new/experiments/rd.yaml" in told
    assert "kept new/sweeps/demo.yaml, which was there already (--force writes over it)" in told
    assert Path("new/sweeps/demo.yaml").read_text() == "mine"
    assert main(["init", "new", "--force"]) == 0
    assert Path("new/sweeps/demo.yaml").read_bytes() == (HOME / "sweeps/demo.yaml").read_bytes()


def test_init_says_what_to_do_next_with_the_files_that_it_wrote(empty, capsys):
    for folder, enter in ((".", ""), ("my study", "cd 'my study', ")):
        assert main(["init", folder]) == 0
        steps = "rdpp data synth data/synthetic, rdpp sweep sweeps/demo.yaml --workers 2, rdpp ui"
        assert f"next: {enter}{steps}\n" in capsys.readouterr().err
        assert Path(folder, "sweeps/demo.yaml").is_file()


def test_init_in_a_folder_that_cannot_be_made(empty, capsys):
    (empty / "file").write_text("")
    assert main(["init", "file"]) == 2
    assert "cannot be written" in capsys.readouterr().err
    assert built_in.kind_of({"name": "x"}) is None
