"""`rdpp sweep`."""

import argparse
import sys
from pathlib import Path

from rdpp.built_in import FILES, find_file
from rdpp.cli.flags import changes_of, declare_training, work_options
from rdpp.cli.results import say_ui

HELP = "run a study, or go on with it"
EXAMPLES = """  rdpp sweep demo --trials 20
  rdpp sweep sweeps/demo.yaml --storage postgresql+psycopg://user@host/optuna --json"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Its flags."""
    parser.add_argument(
        "file", type=Path, metavar="SWEEP", help=f"the study's file, or built-in: {', '.join(FILES['sweep'])}"
    )
    parser.add_argument("--trials", type=int, metavar="N", help="number of trials of the whole study")
    declare_training(parser)


def run(options: argparse.Namespace) -> None:
    """Run the trials that are missing, and print the study."""
    from rdpp.stopping import stopping
    from rdpp.sweep import run_sweep

    with stopping() as stop:
        best = run_sweep(
            find_file("sweep", options.file),
            changes_of(options),
            work_options(options),
            stop,
            trials=options.trials,
            as_json=options.json,
        )
    if best is not None and best.model is not None:
        log_best(best.model.run_id, options.tracking_uri)
    say_ui(options, best and best.study)


def log_best(run_id: str, tracking_uri: str | None) -> None:
    """The best trial's network as a model of MLflow's. Where that cannot be, the study is none the less done."""
    from rdpp.config import ConfigError
    from rdpp.deploy.registry import log_model
    from rdpp.tracking.store import Store

    try:
        _, model = log_model(Store(tracking_uri, create=False), run_id)
        print(f"the best trial's network is a logged model: models:/{model.model_id}", file=sys.stderr)
    except ConfigError as error:
        print(f"the best trial's network is no logged model: {error}", file=sys.stderr)
