"""`rdpp evaluate`."""

import argparse
from pathlib import Path

from rdpp.cli.flags import changes_of, declare_data, declare_json, declare_store
from rdpp.cli.results import print_results, result_row

HELP = "evaluate a run, a checkpoint or the released code's checkpoints"
EXAMPLES = """  rdpp evaluate 0123456789abcdef0123456789abcdef
  rdpp evaluate DIR --experiment rdpp --data /path/to/mvtec --categories carpet,leather"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Its flags."""
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help="an MLflow run id, a checkpoint, or a folder of the released code's checkpoints",
    )
    parser.add_argument(
        "--experiment",
        type=Path,
        metavar="EXPERIMENT",
        help="a file or a built-in name, for teacher and image size of the released code's checkpoints",
    )
    declare_data(parser)
    declare_store(parser)
    declare_json(parser)


def run(options: argparse.Namespace) -> None:
    """Evaluate, and print the results."""
    from rdpp.built_in import find_file
    from rdpp.experiment import ExperimentConfig
    from rdpp.tracking.reading.evaluation import evaluate_source

    changes = changes_of(options)
    given = None
    if options.experiment is not None:
        given = ExperimentConfig.from_yaml(find_file("experiment", options.experiment)).with_overrides(changes)
    evaluated = evaluate_source(options.source, options.tracking_uri, given, changes)
    rows = [result_row(e.category, e.seed, e.epoch, e.evaluation.metrics) for e in evaluated]
    print_results(rows, as_json=options.json)
