"""`rdpp sweep`."""

import argparse
from pathlib import Path

from rdpp.cli.flags import changes_of, declare_training, work_options
from rdpp.cli.results import say_ui

HELP = "run a study, or go on with it"
EXAMPLES = """  rdpp sweep sweeps/demo.yaml --trials 20
  rdpp sweep sweeps/demo.yaml --storage postgresql+psycopg://user@host/optuna --json"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Its flags."""
    parser.add_argument("file", type=Path, metavar="SWEEP.yaml", help="the study's file")
    parser.add_argument("--trials", type=int, metavar="N", help="number of trials of the whole study")
    parser.add_argument(
        "--storage", metavar="URL", help="Optuna storage; by default RDPP_STORAGE, else sqlite in ./runs"
    )
    declare_training(parser)


def run(options: argparse.Namespace) -> None:
    """Run the trials that are missing, and print the study."""
    from rdpp.stopping import stopping
    from rdpp.sweep import run_sweep

    with stopping() as stop:
        run_sweep(
            options.file,
            changes_of(options),
            work_options(options),
            stop,
            trials=options.trials,
            as_json=options.json,
        )
    say_ui(options)
