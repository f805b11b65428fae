import argparse
import ast
import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tracked import PLAIN, WEIGHT

from rdpp.cli import COMMANDS, build_parser, main
from rdpp.cli.flags import changes_of
from rdpp.cli.results import say_ui
from rdpp.config import ConfigError
from rdpp.display.output import print_json
from rdpp.display.screen import Terminal
from rdpp.tracking.store.mlflow_store import Store
from rdpp.tracking.ui.labels import DESCRIPTION


@pytest.fixture
def experiment_file(tiny, tmp_path):
    path = tmp_path / "experiment.yaml"
    path.write_text(tiny.with_overrides({"data.categories": ["bolt"], "training.epochs": 1, "heatmaps": 0}).to_yaml())
    return path


@pytest.fixture
def quick_file(tiny, tmp_path):
    """Where something is trained."""
    path = tmp_path / "quick.yaml"
    path.write_text(tiny.with_overrides(PLAIN).to_yaml())
    return path


@pytest.fixture
def tracked(store_uri):
    return ["--tracking-uri", store_uri]


def fails(capsys, *arguments: object) -> str:
    """The one line a command that cannot be done prints, after exit code 2."""
    code = main([str(a) for a in arguments])
    printed = capsys.readouterr()
    lines = [line for line in printed.err.splitlines() if line]
    assert code == 2, printed
    assert len(lines) == 1
    assert lines[0].startswith("rdpp: ")
    return lines[0]


@pytest.mark.usefixtures("printing_store")
def test_train_prints_results_as_json_on_standard_output(capsys, quick_file, tracked):
    assert main(["train", str(quick_file), *tracked, "--json", "--seeds", "3,4", "--epochs", "2"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(r["category"], r["seed"], r["epoch"]) for r in rows] == [("bolt", 3, 2), ("bolt", 4, 2)]
    assert all(0 <= r["metrics"]["image_auroc"] <= 1 for r in rows)
    (run,) = Store(tracked[1]).search("tags.level = 'run' and tags.seed = '4'")
    assert rows[1]["run"] == run.info.run_id
    capsys.readouterr()
    assert main(["evaluate", run.info.run_id, *tracked, "--json", "--device", "cpu"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)[0]["metrics"] == rows[1]["metrics"]
    assert "View run" in printed.err


def test_train_prints_a_table_and_how_to_predict(capsys, quick_file, tracked):
    assert main(["train", str(quick_file), *tracked, "--seeds", "68"]) == 0
    printed = capsys.readouterr()
    assert "AUROC" in printed.out
    (run,) = Store(tracked[1]).search("tags.level = 'run' and tags.seed = '68'")
    command = f"rdpp predict IMAGES --model {run.info.run_id} --out predicted --tracking-uri {shlex.quote(tracked[1])}"
    assert build_parser().parse_args(shlex.split(command)[1:]).model == run.info.run_id
    assert f"predict with the network for bolt, seed 68: {command}\n" in printed.err
    page = f"http://127.0.0.1:5000/#/experiments/{run.info.experiment_id}/runs"
    assert printed.err.endswith(f", then open {page}/{run.info.run_id}\n")
    assert main(["train", str(quick_file), *tracked, "--seeds", "68,69"]) == 0
    (run,) = Store(tracked[1]).search("tags.level = 'run' and tags.seed = '69'")
    assert capsys.readouterr().err.endswith(f", then open {page}/{run.data.tags['mlflow.parentRunId']}\n")
    assert main(["train", str(quick_file), *tracked, "--set", "keep=none", "--seeds", "9"]) == 0
    assert "rdpp predict" not in capsys.readouterr().err


def test_the_time_left_knows_what_finished_before(quick_file, tracked, write_ablation, monkeypatch):
    told = []
    monkeypatch.setattr(Terminal, "finished_before", lambda screen, runs: told.append(runs))
    ablation = str(write_ablation(name="timed", seeds=(81, 84)))
    for command in (["train", str(quick_file), "--seeds", "82,83"], ["ablate", ablation]):
        for flags in ([], [], ["--again"]):
            assert main([*command, *tracked, *flags]) == 0
    assert told == [0, 2, 0, 0, 4, 0]


@pytest.mark.usefixtures("printing_store")
def test_flags_and_set_reach_the_configuration(capsys, quick_file, tracked):
    assert (
        main(
            [
                "train",
                str(quick_file),
                *tracked,
                "--json",
                "--categories",
                "weave",
                "--set",
                "training.epochs={default: 1, weave: 2}",
                "--set",
                "name=flags",
            ]
        )
        == 0
    )
    assert [(r["category"], r["epoch"]) for r in json.loads(capsys.readouterr().out)] == [("weave", 2)]


@pytest.mark.parametrize(("flag", "epochs", "steps"), [("--epochs", 7, None), ("--steps", None, 7)])
def test_epochs_and_steps_override_each_other(tiny, flag, epochs, steps):
    options = build_parser().parse_args(["train", "experiment.yaml", flag, "7"])
    for base in (tiny, tiny.with_overrides({"training": {"epochs": None, "steps": 9}})):
        training = base.with_overrides(changes_of(options)).training
        assert (training.epochs, training.steps) == (epochs, steps)


def test_epochs_and_steps_together_are_refused(capsys):
    with pytest.raises(SystemExit):
        main(["train", "experiment.yaml", "--epochs", "7", "--steps", "7"])
    assert "--steps: not allowed with argument --epochs" in capsys.readouterr().err


@pytest.mark.usefixtures("printing_store")
def test_a_sweep_prints_its_study_as_json_and_goes_on(capsys, held_out, tracked, new_storage, tmp_path, monkeypatch):
    monkeypatch.setattr("mlflow.utils.environment._get_package_version", lambda _: None)  # as where there is no pip
    (tmp_path / "experiment.yaml").write_text(held_out.with_overrides({**PLAIN, "seeds": [41]}).to_yaml())
    sweep = tmp_path / "sweep.yaml"
    space = {WEIGHT: {"low": 0.1, "high": 0.5}}
    sweep.write_text(yaml.safe_dump({"name": "cli", "experiment": "experiment.yaml", "space": space, "trials": 3}))
    storage = ["--storage", new_storage(tmp_path / "optuna.db")]
    assert main(["sweep", str(sweep), *tracked, *storage, "--trials", "1", "--json"]) == 0
    assert [t["number"] for t in json.loads(capsys.readouterr().out)["trials"]] == [0]
    assert main(["sweep", str(sweep), *tracked, *storage, "--trials", "2", "--json"]) == 0
    printed = capsys.readouterr()
    assert [t["number"] for t in json.loads(printed.out)["trials"]] == [0, 1]
    assert "1 of 2 trials done" in printed.err
    assert "objective: mean of image_auroc and pixel_aupro on the held-out images; lines of runs show" in printed.err
    assert "1 run a trial; pruner median: 1 instance (category x seed) is too few" in printed.err
    best = json.loads(printed.out)["best"]
    assert main(["sweep", str(sweep), *tracked, *storage, "--trials", "2"]) == 0
    again = capsys.readouterr()
    (model,) = Store(tracked[1]).client.get_run(best["model"]).outputs.model_outputs  # logged once
    capsys.readouterr()
    assert "pip version" not in printed.err
    logged = f"the best trial's network is a logged model: models:/{model.model_id}\n"
    assert logged in printed.err
    assert logged in again.err
    lines = [line.strip() for line in again.out.splitlines()]
    store = f"--tracking-uri {shlex.quote(tracked[1])}"
    train = f"rdpp train --from {best['source']} {store}"
    predict = f"rdpp predict IMAGES --model {best['model']} --out predicted {store}"
    assert {train, predict} <= set(lines)
    for command in (train, predict):
        build_parser().parse_args(shlex.split(command)[1:])
    assert main([*shlex.split(train)[1:], "--seeds", "7", "--json", "--device", "cpu"]) == 0
    printed = capsys.readouterr()
    assert f"trial {best['trial']} of the study cli (bolt; seeds 41)" in printed.err
    assert [(row["category"], row["seed"]) for row in json.loads(printed.out)] == [("bolt", 7)]
    (run,) = Store(tracked[1]).search(f"tags.variant = 'cli-trial-{best['trial']:03d}' and tags.level = 'run'")
    assert float(run.data.params[WEIGHT]) == pytest.approx(best["params"][WEIGHT])


@pytest.mark.usefixtures("printing_store")
def test_the_best_trial_is_confirmed_on_fresh_seeds(capsys, held_out, tracked, new_storage, tmp_path):
    (tmp_path / "experiment.yaml").write_text(held_out.with_overrides({**PLAIN, "seeds": [41]}).to_yaml())
    sweep = tmp_path / "sweep.yaml"
    space = {WEIGHT: {"low": 0.1, "high": 0.5}}
    definition = {"name": "confirming", "experiment": "experiment.yaml", "space": space, "trials": 1, "confirm": 2}
    sweep.write_text(yaml.safe_dump(definition))
    command = ["sweep", str(sweep), *tracked, "--storage", new_storage(tmp_path / "optuna.db")]
    assert main([*command, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    compared = printed["confirmed"]
    assert compared["baseline"] == "base"
    assert {row["variant"] for row in compared["comparisons"]} == {"trial-000"}
    answer = compared["answer"]
    assert answer.startswith("On fresh seeds the best trial is not shown to be better than base (image_auroc ")
    assert answer.endswith("; 2 pairs can show nothing, 7 are the least that could).")
    store = Store(tracked[1])
    assert store.client.get_run(printed["mlflow_run"]).data.tags[DESCRIPTION].endswith(f"**Confirmed?** {answer}")
    runs = Store(tracked[1]).search("tags.ablation = 'confirming-confirmed' and tags.level = 'run'")
    assert sorted((r.data.tags["variant"], r.data.tags["seed"]) for r in runs) == [
        ("base", "42"),
        ("base", "43"),
        ("trial-000", "42"),
        ("trial-000", "43"),
    ]
    point = printed["best"]["params"][WEIGHT]
    weights = {run.data.tags["variant"]: float(run.data.params[WEIGHT]) for run in runs}
    assert weights == {"base": held_out.losses["distillation"].weight, "trial-000": point}
    assert main(command) == 0
    out = capsys.readouterr().out
    introduced = "The best trial beside base, the experiment as it stands, on the test images; fresh seeds 42, 43:"
    places = [
        out.index(part)
        for part in (introduced, "trial-000 against base: ", answer, "Best: trial 0", "rdpp train --from")
    ]
    assert places == sorted(places)  # the commands to go on with stand at the end
    said = store.client.get_run(printed["mlflow_run"]).data.tags[DESCRIPTION]
    assert said.count(answer) == 1  # however often the command is given


def test_a_file_or_a_recorded_configuration_and_not_both(capsys, experiment_file):
    for arguments in ([], [str(experiment_file), "--from", "study"]):
        with pytest.raises(SystemExit) as stopped:
            main(["train", *arguments])
        assert stopped.value.code == 2
    assert "argument --from: not allowed with argument EXPERIMENT\n" in capsys.readouterr().err


def test_help_names_first_steps_that_can_be_given(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    steps = [line.split() for line in printed.splitlines() if line.startswith("  rdpp ")]
    assert [words[1] for words in steps] == ["data", "sweep", "ui"]
    for words in steps:
        build_parser().parse_args(words[1:])


def test_data_synth_writes_the_categories(tmp_path):
    assert main(["data", "synth", str(tmp_path / "made"), "--size", "64"]) == 0
    assert (tmp_path / "made" / "bolt" / "train" / "good" / "000.png").is_file()


def parsers(parser, name="rdpp"):
    """Every parser by its command: those of actions too."""
    yield name, parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for own, below in action.choices.items():
                yield from parsers(below, f"{name} {own}")


def commands_with_json():
    return [name for name, parser in parsers(build_parser()) if "--json" in parser._option_string_actions]


@pytest.mark.parametrize("name", commands_with_json())
def test_json_is_alone_on_standard_output_whatever_libraries_print(name, capsys, monkeypatch):
    example = next(line for line in COMMANDS[name.split()[1]].EXAMPLES.splitlines() if line.strip().startswith(name))

    def run(options):
        print("🏃 View run at: http://127.0.0.1:5000/")
        print_json({"json": options.json})
        print("🧪 View experiment at: http://127.0.0.1:5000/")

    monkeypatch.setattr(COMMANDS[name.split()[1]], "run", run)
    assert main([*shlex.split(example.partition(" > ")[0])[1:], "--json"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out) == {"json": True}
    assert printed.err.count("View") == 2
    print("as before")
    assert capsys.readouterr().out == "as before\n"


MODULES = sorted((Path(__file__).parents[1] / "rdpp").rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(MODULES[0].parent)))
def test_nothing_is_printed_but_results_and_what_goes_to_standard_error(path):
    """`print` without a file, and a console of its own, would lose results in standard error."""
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    for call in calls:
        if isinstance(call.func, ast.Name) and call.func.id in ("print", "Console"):
            assert {"file", "stderr"} & {keyword.arg for keyword in call.keywords}, f"line {call.lineno}"


def test_no_password_in_messages(capsys, monkeypatch):
    uri = "http://ann:s3cret@127.0.0.1:9"
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    for arguments in (["compare", "some"], ["evaluate", 32 * "a"], ["ui"]):
        line = fails(capsys, *arguments, "--tracking-uri", uri)
        assert "http://ann:***@127.0.0.1:9" in line
        assert "s3cret" not in line
    say_ui(argparse.Namespace(tracking_uri=uri))
    assert capsys.readouterr().err == "browse the runs: rdpp ui --tracking-uri 'http://ann:***@127.0.0.1:9'\n"

    def run(options):
        raise ConfigError(f"a message with {options.tracking_uri}")

    monkeypatch.setattr(COMMANDS["compare"], "run", run)
    assert fails(capsys, "compare", "some", "--tracking-uri", uri).endswith("with http://ann:***@127.0.0.1:9")


def test_help_needs_no_heavy_import():
    heavy = "{'torch', 'mlflow', 'optuna'}"
    code = f"import sys; from rdpp.cli import build_parser; build_parser(); assert not {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_comparing_starts_without_what_only_a_report_draws_with():
    code = "import sys; import rdpp.comparison; assert not {'sklearn', 'scipy.stats'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_training_starts_without_mlflow_and_the_compiler(experiment_file, tmp_path):
    """What takes seconds to import may not stand before the first step, where no store could hold finished runs."""
    tracked = ["--tracking-uri", f"sqlite:///{tmp_path / 'new.db'}"]
    code = f"""
import os, sys
from rdpp.cli import main
from rdpp.engine.step import Stepper
step = Stepper.step
def first_step(self, batch, **options):
    slow = {{"mlflow", "torchvision", "sklearn", "matplotlib", "pandas"}} & set(sys.modules)
    step(self, batch, **options)
    assert not slow | {{"torch._dynamo"}} & set(sys.modules), slow
    os._exit(7)  # nothing after the first step is of interest
Stepper.step = first_step
sys.exit(main({["train", str(experiment_file), *tracked]!r}))
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 7


def test_every_command_has_two_examples_that_parse_and_every_flag_a_description():
    for name, parser in parsers(build_parser()):
        undescribed = [a for a in parser._actions if not isinstance(a, argparse._SubParsersAction) and not a.help]
        assert not undescribed, name
    for name, module in COMMANDS.items():
        examples = module.EXAMPLES.splitlines()
        assert len(examples) >= 2
        for line in examples:
            words = shlex.split(line.partition(" > ")[0])
            assert words[:2] == ["rdpp", name]
            assert build_parser().parse_args(words[1:]).run is module.run


@pytest.mark.parametrize("seeds", [["1", "2", "3"], ["1,2,3"], ["1", "2,3"]])
def test_seeds_may_be_set_apart_by_blanks_or_commas(seeds, monkeypatch):
    seen = []
    monkeypatch.setattr("rdpp.cli.train.run", seen.append)
    for arguments in (
        ["a.yaml", "--seeds", *seeds],
        ["--seeds", *seeds, "a.yaml"],
        ["--seeds", *seeds, "--json", "a.yaml"],
    ):
        assert main(["train", *arguments]) == 0
        assert (seen[-1].seeds, str(seen[-1].experiment)) == ([1, 2, 3], "a.yaml")


def test_seeds_that_are_no_numbers_are_refused(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["train", "a.yaml", "--seeds", "one"])
    assert stopped.value.code == 2
    assert "argument --seeds: invalid whole numbers value: 'one'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--set", "noise.scale", "=", "0.3"],
            "--set takes KEY=VALUE as one word, without blanks: --set noise.scale=0.3",
        ),
        (["--set", "noise.scale", "=0.3"], "one word, without blanks: --set noise.scale=0.3"),
        (["--set", "noise.scale", "="], "one word, without blanks: --set noise.scale=VALUE"),
        (
            ["--seeds", "1", "2", "x"],
            "unexpected x; --seeds takes whole numbers, such as --seeds 1,2,3; rdpp train --help",
        ),
        (["--sedes", "1"], "unexpected --sedes 1; rdpp train --help lists what it takes"),
    ],
)
def test_words_that_cannot_be_meant_are_one_line(capsys, arguments, message):
    assert message in fails(capsys, "train", "a.yaml", *arguments)


def test_blanks_within_a_setting_do_not_count(tiny):
    options = build_parser().parse_args(["train", "a.yaml", "--set", "noise.scale = 0.3"])
    assert changes_of(options) == {"noise.scale": 0.3}


def test_completion_knows_the_commands_and_their_flags(capsys):
    assert main(["completion", "bash"]) == 0
    script = capsys.readouterr().out
    assert "--tracking-uri" in script
    assert all(command in script for command in COMMANDS)


def test_ctrl_c_says_how_to_go_on(capsys, experiment_file, tracked, monkeypatch):
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("rdpp.workers.train", stop)
    assert main(["train", str(experiment_file), *tracked]) == 130
    assert "run the same command again" in capsys.readouterr().err


def test_ctrl_c_while_the_commands_are_imported_is_one_line():
    code = """
import builtins, sys
from rdpp.__main__ import start
known = builtins.__import__
def interrupted(name, *rest):
    if name == "rdpp.cli":
        raise KeyboardInterrupt
    return known(name, *rest)
builtins.__import__ = interrupted
sys.exit(start())
"""
    ended = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (130, "rdpp: stopped before it began\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "losses.ssott.weight=1"], "unknown key in losses 'ssott', did you mean 'ssot'?"),
        (["--set", "training.batch_size=many"], "training.batch_size must be a whole number, got 'many'"),
        (["--set", "noise.scale=-1"], "got -1"),
        (["--set", "noise.scale"], "--set takes key=value"),
        (["--set", "noise.scale=[1"], "is not a YAML value"),
        (["--set", "data.image_size=100"], "the nearest is [96, 96]"),
        (["--categories", "blot"], "unknown category (in"),
        (["--data", "/nowhere"], "no data folder at /nowhere"),
        (["--device", "cuda:7"], "device 'cuda:7' was asked for, but torch sees"),
        (["--device", "tpu"], "unknown device 'tpu'; choices: auto, cpu, cuda, cuda:N"),
        (["--seeds", "1,1"], "seeds must differ"),
        (["--epochs", "0"], "epochs must be at least 1, got 0"),
        (["--set", "teacher.weights=/nowhere.pth"], "no weights file at /nowhere.pth"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(capsys, experiment_file, tracked, arguments, message):
    assert message in fails(capsys, "train", experiment_file, *tracked, *arguments)


def test_numbers_that_are_none_are_refused_by_the_parser(capsys, experiment_file):
    with pytest.raises(SystemExit) as caught:
        main(["train", str(experiment_file), "--seeds", "one"])
    assert caught.value.code == 2
    assert "--seeds" in capsys.readouterr().err


def test_a_missing_or_broken_experiment_file_is_named(capsys, tmp_path):
    assert f"no experiment file {tmp_path / 'x.yaml'}; built-in: demo, rd, rdpp" in fails(
        capsys, "train", tmp_path / "x.yaml"
    )
    (tmp_path / "x.yaml").write_text("a: [")
    assert "is not YAML" in fails(capsys, "train", tmp_path / "x.yaml")


@pytest.mark.parametrize("kind", ["no folder", "no database", "no server"])
def test_a_store_that_cannot_be_used_fails_before_any_image_is_decoded(
    capsys, experiment_file, tmp_path, monkeypatch, kind
):
    (tmp_path / "file").write_text("no database")
    uris = {
        "no folder": f"sqlite:///{tmp_path / 'file' / 'mlflow.db'}",
        "no database": f"sqlite:///{tmp_path / 'file'}",
        "no server": "http://127.0.0.1:9",
    }
    uri = uris[kind]

    def refuse(*_: object) -> None:
        raise AssertionError("decoded all the same")

    monkeypatch.setattr("rdpp.engine.setup.load_train", refuse)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")  # which take seconds
    line = fails(capsys, "train", experiment_file, "--tracking-uri", uri)
    assert "the MLflow store" in line
    assert "--tracking-uri" in line


def test_evaluate_reads_a_checkpoint_folder(capsys, tiny, tmp_path):
    from rdpp.engine import CheckpointWriter, RunSpec, train

    result = train(RunSpec.of(tiny.with_overrides(PLAIN), "weave", 1), observers=[CheckpointWriter(tmp_path / "kept")])
    assert main(["evaluate", str(tmp_path / "kept"), "--json", "--device", "cpu"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["metrics"] == {k: v if v == v else None for k, v in result.evaluation.metrics.items()}
    line = fails(capsys, "evaluate", tmp_path / "kept", "--set", "teacher.weights=random")
    assert "trained with another teacher" in line
    assert "was trained on 'weave'" in fails(capsys, "evaluate", tmp_path / "kept", "--categories", "bolt")
