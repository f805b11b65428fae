"""`rdpp thresholds`."""

import argparse

from rdpp.cli.flags import changes_of, declare_data, declare_json, declare_source, declare_store

HELP = "print a model's thresholds, or take new ones by cross-fitting"
EXAMPLES = """  rdpp thresholds 0123456789abcdef0123456789abcdef
  rdpp thresholds runs/checkpoint --folds 5"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Its flags."""
    declare_source(parser)
    parser.add_argument(
        "--folds",
        type=int,
        metavar="K",
        help="train K networks as the run was, each without a fold of the training images that it then judges, and "
        "store what comes out with the checkpoint",
    )
    declare_data(parser)
    declare_store(parser)
    declare_json(parser)


def run(options: argparse.Namespace) -> None:
    """Take thresholds if asked to, and print them."""
    from rdpp.deploy.thresholds import run_thresholds

    run_thresholds(options.source, options.folds, changes_of(options), options.tracking_uri, as_json=options.json)
