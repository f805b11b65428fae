"""`rdpp train`."""

import argparse
from pathlib import Path

from rdpp.cli.flags import changes_of, declare_training
from rdpp.cli.results import print_results, result_row, say_ui

HELP = "train every category with every seed of an experiment"
EXAMPLES = """  rdpp train experiments/demo.yaml
  rdpp train experiments/rdpp.yaml --data /path/to/mvtec --categories screw,pill --seeds 1,2,3"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Its flags."""
    parser.add_argument("experiment", type=Path, metavar="EXPERIMENT.yaml", help="the experiment's file")
    declare_training(parser)


def run(options: argparse.Namespace) -> None:
    """Train what is not finished yet, and print the results."""
    from rdpp.display.console import ConsoleObserver
    from rdpp.engine import grid
    from rdpp.experiment import ExperimentConfig
    from rdpp.runs import train_grid
    from rdpp.tracking.tree import MlflowTree

    experiment = ExperimentConfig.from_yaml(options.experiment).with_overrides(changes_of(options))
    specs = grid(experiment)
    with MlflowTree(options.tracking_uri) as tree, ConsoleObserver(len(specs)) as console:
        outcomes = train_grid(specs, tree, [console], again=options.again)
    rows = [result_row(o.spec.category.name, o.spec.seed, o.epoch, o.metrics) for o in outcomes]
    print_results(rows, as_json=options.json, selection=experiment.evaluation.selection)
    say_ui(options)
