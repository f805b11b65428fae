"""The command line: one short function a command. Heavy imports wait until a command needs them."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rdpp import __version__

if TYPE_CHECKING:
    from rdpp.experiment import ExperimentConfig


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0; 2 after bad input, with one line on stderr; 130 after Ctrl-C.
    """
    options = _parser().parse_args(arguments)
    try:
        options.command(options)
    except ValueError as error:
        from rdpp.config import ConfigError

        if not isinstance(error, ConfigError):
            raise
        print(f"rdpp: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("rdpp: stopped; run the same command again to go on", file=sys.stderr)
        return 130
    return 0


def _train(options: argparse.Namespace) -> None:
    from rdpp.display.console import ConsoleObserver, results_table
    from rdpp.engine import grid
    from rdpp.runs import train_grid
    from rdpp.tracking.tree import MlflowTree

    specs = grid(_experiment(options))
    with MlflowTree(options.tracking_uri) as tree, ConsoleObserver(len(specs)) as console:
        outcomes = train_grid(specs, tree, [console], again=options.again)
    rows = [_result_row(o.spec.category.name, o.spec.seed, o.epoch, o.metrics) for o in outcomes]
    _print_results(options, rows, results_table)
    _say_ui(options)


def _evaluate(options: argparse.Namespace) -> None:
    from rdpp.display.console import results_table
    from rdpp.tracking.evaluation import evaluate_source

    experiment = _experiment(options) if options.experiment else None
    found = evaluate_source(options.source, options.tracking_uri, experiment, _changes(options))
    rows = [_result_row(e.category, e.seed, e.epoch, e.evaluation.metrics) for e in found]
    _print_results(options, rows, results_table)


def _sweep(options: argparse.Namespace) -> None:
    from rdpp.sweep import run_sweep

    run_sweep(
        options.file,
        _changes(options),
        trials=options.trials,
        storage=options.storage,
        tracking_uri=options.tracking_uri,
        as_json=options.json,
        again=options.again,
    )
    _say_ui(options)


def _ablate(options: argparse.Namespace) -> None:
    from rdpp.ablation import ablate
    from rdpp.comparison import run_compare

    run_id = ablate(options.file, _changes(options), options.tracking_uri, again=options.again)
    run_compare([run_id], tracking_uri=options.tracking_uri, as_json=options.json)
    _say_ui(options)


def _compare(options: argparse.Namespace) -> None:
    from rdpp.comparison import run_compare

    run_compare(
        options.sources,
        baseline=options.baseline,
        metrics=options.metrics,
        by=options.by,
        published=options.published,
        tracking_uri=options.tracking_uri,
        as_json=options.json,
    )


def _report(options: argparse.Namespace) -> None:
    from rdpp.comparison import write_report

    path = write_report(options.source, options.out, options.tracking_uri, options.baseline)
    print(f"report in {path}, and in the MLflow UI under Artifacts of its run", file=sys.stderr)


def _rescore(options: argparse.Namespace) -> None:
    from rdpp.comparison import run_rescore

    run_rescore(options.sources, options.tracking_uri, as_json=options.json)


def _ui(options: argparse.Namespace) -> None:
    from rdpp.tracking.store import Store

    store = Store(options.tracking_uri)
    page = f"http://127.0.0.1:{options.port}/#/experiments/{store.experiment_id}/runs?workflowType=machine_learning"
    print(f"open {page}", file=sys.stderr)
    command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", store.uri]
    os.execv(sys.executable, [*command, "--host", "127.0.0.1", "--port", str(options.port)])


def _synth(options: argparse.Namespace) -> None:
    from rdpp.demo import make_categories

    make_categories(options.folder, seed=options.seed, size=options.size)
    print(f"synthetic categories in {options.folder}", file=sys.stderr)


def _experiment(options: argparse.Namespace) -> "ExperimentConfig":
    from rdpp.experiment import ExperimentConfig

    return ExperimentConfig.from_yaml(options.experiment).with_overrides(_changes(options))


def _changes(options: argparse.Namespace) -> dict[str, Any]:
    """Flags and --set as overrides by dotted path."""
    import yaml

    from rdpp.config import ConfigError

    changes: dict[str, Any] = {}
    flags = {
        "data.root": options.data,
        "data.categories": options.categories,
        "device": options.device,
        "seeds": getattr(options, "seeds", None),
    }
    changes |= {path: value for path, value in flags.items() if value is not None}
    epochs, steps = getattr(options, "epochs", None), getattr(options, "steps", None)
    if epochs is not None or steps is not None:
        changes |= {"training.epochs": epochs, "training.steps": steps}
    for item in options.set:
        path, equals, text = item.partition("=")
        if not equals:
            raise ConfigError(f"--set takes key=value, such as losses.ssot.weight=0.3, got '{item}'")
        try:
            changes[path] = yaml.safe_load(text)
        except yaml.YAMLError:
            raise ConfigError(f"--set {path}: '{text}' is not a YAML value") from None
    return changes


def _print_results(options: argparse.Namespace, rows: list[dict[str, Any]], as_table: Any) -> None:
    if options.json:
        print(json.dumps(rows, indent=1))
    else:
        from rdpp.display.console import output_console

        output_console().print(as_table(rows))


def _result_row(category: str, seed: int | None, epoch: int | None, metrics: Any) -> dict[str, Any]:
    values = {name: None if value != value else value for name, value in metrics.items()}
    return {"category": category, "seed": seed, "epoch": epoch, "metrics": values}


def _say_ui(options: argparse.Namespace) -> None:
    uri = f" --tracking-uri {options.tracking_uri}" if options.tracking_uri else ""
    print(f"browse the runs: rdpp ui{uri}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("rdpp", description="RD++ anomaly detection: train, evaluate, sweep, compare.")
    parser.add_argument("--version", action="version", version=f"rdpp {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    train = commands.add_parser("train", help="train every category with every seed of an experiment")
    train.add_argument("experiment", type=Path, metavar="EXPERIMENT.yaml")
    _common(train)
    _length(train)
    train.set_defaults(command=_train)

    evaluate = commands.add_parser("evaluate", help="evaluate a run, a checkpoint or official checkpoints")
    evaluate.add_argument(
        "source",
        metavar="SOURCE",
        help="an MLflow run id, a checkpoint of ours, or a folder of official ones",
    )
    evaluate.add_argument(
        "--experiment",
        type=Path,
        metavar="EXPERIMENT.yaml",
        help="teacher and image size of official checkpoints",
    )
    _common(evaluate)
    evaluate.set_defaults(command=_evaluate)

    sweep = commands.add_parser("sweep", help="run a study, or go on with it")
    sweep.add_argument("file", type=Path, metavar="SWEEP.yaml")
    sweep.add_argument("--trials", type=int, metavar="N", help="number of trials of the whole study")
    sweep.add_argument("--storage", metavar="URL", help="Optuna storage, by default sqlite in ./runs")
    _common(sweep)
    _length(sweep)
    sweep.set_defaults(command=_sweep)

    ablate = commands.add_parser("ablate", help="run what is missing of variants x categories x seeds, and compare")
    ablate.add_argument("file", type=Path, metavar="ABLATION.yaml")
    _common(ablate)
    _length(ablate)
    ablate.set_defaults(command=_ablate)

    compare = commands.add_parser("compare", help="variants against a baseline: differences, intervals, what they say")
    _sources(compare)
    compare.add_argument("--baseline", metavar="VARIANT")
    compare.add_argument("--metrics", type=lambda text: text.split(","), metavar="A,B")
    compare.add_argument(
        "--by", metavar="TAG", help="what tells variants apart, by default variant (of a study: trial)"
    )
    compare.add_argument(
        "--published",
        type=Path,
        nargs="?",
        const=Path(__file__).parent / "comparison" / "published.yaml",
        metavar="FILE",
        help="figures from papers, as further rows; by default those of the RD and RD++ papers on MVTec AD",
    )
    compare.set_defaults(command=_compare)

    report = commands.add_parser("report", help="one HTML page of a study or an ablation")
    report.add_argument("source", metavar="STUDY_OR_ABLATION")
    report.add_argument("--baseline", metavar="VARIANT")
    report.add_argument("--out", type=Path, metavar="FILE.html")
    report.add_argument("--tracking-uri", metavar="URI")
    report.set_defaults(command=_report)

    rescore = commands.add_parser("rescore", help="compute every metric anew from stored anomaly maps")
    _sources(rescore)
    rescore.set_defaults(command=_rescore)

    ui = commands.add_parser("ui", help="open the MLflow UI on 127.0.0.1")
    ui.add_argument("--port", type=int, default=5000)
    ui.add_argument("--tracking-uri", metavar="URI")
    ui.set_defaults(command=_ui)

    data = commands.add_parser("data", help="make data").add_subparsers(required=True, metavar="WHAT")
    synth = data.add_parser("synth", help="make the synthetic categories")
    synth.add_argument("folder", type=Path, metavar="DIR")
    synth.add_argument("--seed", type=int, default=0)
    synth.add_argument("--size", type=int, default=128, help="side in pixels")
    synth.set_defaults(command=_synth)
    return parser


def _sources(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "sources",
        nargs="+",
        metavar="SOURCE",
        help="an ablation, a study, an MLflow run id, or a query such as \"tags.teacher = 'resnet18'\"",
    )
    parser.add_argument("--tracking-uri", metavar="URI", help="MLflow store, by default sqlite in ./runs")
    parser.add_argument("--json", action="store_true", help="results as JSON on standard output")


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--categories", type=lambda text: text.split(","), metavar="A,B")
    parser.add_argument("--data", metavar="DIR", help="folder of categories, laid out as data.reader says")
    parser.add_argument("--device", metavar="auto|cpu|cuda|cuda:N")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="any value, by dotted path")
    parser.add_argument("--tracking-uri", metavar="URI", help="MLflow store, by default sqlite in ./runs")
    parser.add_argument("--json", action="store_true", help="results as JSON on standard output")


def _length(parser: argparse.ArgumentParser) -> None:
    either = parser.add_mutually_exclusive_group()
    either.add_argument("--epochs", type=int, metavar="N", help="for every category")
    either.add_argument("--steps", type=int, metavar="N", help="batches a run, instead of epochs")
    parser.add_argument("--seeds", type=_numbers, metavar="1,2,3")
    parser.add_argument(
        "--again",
        action="store_true",
        help="train runs anew that finished before (of a study: those of trials still to come)",
    )


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]
