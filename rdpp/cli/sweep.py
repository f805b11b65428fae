"""`rdpp sweep`."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rdpp.built_in import FILES, find_file
from rdpp.cli.flags import changes_of, declare_training, work_options
from rdpp.cli.results import say_ui

if TYPE_CHECKING:
    from rdpp.stopping import Stop
    from rdpp.sweep import Ended

HELP = "run a study, or go on with it"
EXAMPLES = """  rdpp sweep demo --trials 20
  rdpp sweep sweeps/demo.yaml --storage postgresql+psycopg://user@host/optuna --json"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Its flags."""
    parser.add_argument(
        "file", type=Path, metavar="SWEEP", help=f"the study's file, or built-in: {', '.join(FILES['sweep'])}"
    )
    parser.add_argument("--trials", type=int, metavar="N", help="number of trials of the whole study")
    parser.add_argument(
        "--confirm", type=int, metavar="N", help="fresh seeds to compare the best trial with; 0 for none"
    )
    declare_training(parser)


def run(options: argparse.Namespace) -> None:
    """Run the trials that are missing, print the study, and confirm its best trial."""
    from rdpp.display.output import print_json
    from rdpp.stopping import stopping
    from rdpp.sweep import load_sweep, run_sweep

    confirmed = None
    with stopping() as stop:
        sweep = load_sweep(find_file("sweep", options.file), changes_of(options), options.trials, options.confirm)
        ended = run_sweep(sweep, work_options(options), stop)
        if not options.json:
            ended.show_trials()
        try:
            if ended.best is not None and ended.best.model is not None:
                log_best(ended.best.model.run_id, options.tracking_uri)
            confirmed = confirm(ended, options, stop)
        finally:
            if options.json:
                print_json({**ended.data(), "confirmed": confirmed})
            else:  # last, so that the commands to go on with stand at the end
                ended.show_best(options.tracking_uri)
    say_ui(options, ended.best and ended.best.study)


def confirm(ended: "Ended", options: argparse.Namespace, stop: "Stop") -> dict[str, Any] | None:
    """Compare the best trial with the experiment as it stands, on fresh seeds; None where there is nothing to."""
    from rdpp.ablation import AblationConfig, ablate
    from rdpp.comparison import comparison_data, plain_answer, run_compare, show_comparison
    from rdpp.display.output import results
    from rdpp.runs import CONFIRMED
    from rdpp.sweep import BASE, confirmation
    from rdpp.tracking.store.mlflow_store import Store
    from rdpp.tracking.ui.labels import add_to_description

    variants = confirmation(ended.sweep, ended.best.trial) if ended.best else {}
    if not variants:
        if ended.best and ended.sweep.confirm:
            print("the best trial is the experiment as it stands: there is nothing to confirm", file=sys.stderr)
        return None
    run_id, _ = ablate(AblationConfig(ended.sweep.name + CONFIRMED, BASE, variants), work_options(options), stop)
    found = run_compare([run_id], metrics=ended.sweep.objective, tracking_uri=options.tracking_uri)
    answer = plain_answer(found[1].comparisons, "On fresh seeds the best trial")
    if not options.json:
        fresh = ", ".join(map(str, variants[BASE].seeds))
        introduced = (
            f"The best trial beside {BASE}, the experiment as it stands, on the test images; fresh seeds {fresh}:"
        )
        print(introduced, file=results())
        show_comparison(*found, as_json=False)
        print(answer, file=results())
    if ended.best and ended.best.study:
        add_to_description(Store(options.tracking_uri, create=False), ended.best.study, f"**Confirmed?** {answer}")
    return {**comparison_data(*found), "answer": answer}


def log_best(run_id: str, tracking_uri: str | None) -> None:
    """The best trial's network as a model of MLflow's. Where that cannot be, the study is none the less done."""
    from rdpp.config import ConfigError
    from rdpp.deploy.registry import log_model
    from rdpp.tracking.store.mlflow_store import Store

    try:
        _, model = log_model(Store(tracking_uri, create=False), run_id)
        print(f"the best trial's network is a logged model: models:/{model.model_id}", file=sys.stderr)
    except ConfigError as error:
        print(f"the best trial's network is no logged model: {error}", file=sys.stderr)
