"""`rdpp train`."""

import argparse
from pathlib import Path

from rdpp.cli.flags import changes_of, declare_training, work_options
from rdpp.cli.results import failed_row, print_results, result_row, say_ui

HELP = "train every category with every seed of an experiment"
EXAMPLES = """  rdpp train experiments/demo.yaml
  rdpp train experiments/rdpp.yaml --data /path/to/mvtec --categories screw,pill --seeds 1,2,3"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Its flags."""
    parser.add_argument("experiment", type=Path, metavar="EXPERIMENT.yaml", help="the experiment's file")
    declare_training(parser)


def run(options: argparse.Namespace) -> int:
    """Train what is not finished yet, and print the results."""
    from rdpp.experiment import ExperimentConfig
    from rdpp.stopping import stopping
    from rdpp.workers import train

    experiment = ExperimentConfig.from_yaml(options.experiment).with_overrides(changes_of(options))
    with stopping() as stop:
        job = train(experiment, work_options(options), stop)
    rows = [result_row(o.spec.category.name, o.spec.seed, o.epoch, o.metrics) for o in job.outcomes]
    rows += [failed_row(plan.spec.category.name, plan.spec.seed, failure.reason) for plan, failure in job.failures]
    print_results(rows, as_json=options.json, selection=experiment.evaluation.selection)
    say_ui(options)
    return 1 if job.failures else 0
