"""`rdpp train`."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rdpp.cli.flags import EXPERIMENT_HELP, changes_of, declare_training, work_options
from rdpp.cli.results import failed_row, print_results, result_row, say_predict, say_ui

if TYPE_CHECKING:
    from rdpp.experiment import ExperimentConfig

HELP = "train every category with every seed of an experiment, or of the best trial of a study"
EXAMPLES = """  rdpp train demo
  rdpp train experiments/rdpp.yaml --data /path/to/mvtec --categories screw,pill --seeds 1,2,3
  rdpp train --from demo --epochs 100 --seeds 1,2,3"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Its flags."""
    either = parser.add_mutually_exclusive_group(required=True)
    either.add_argument("experiment", type=Path, nargs="?", metavar="EXPERIMENT", help=EXPERIMENT_HELP)
    either.add_argument(
        "--from",
        dest="recorded",
        metavar="STUDY|RUN_ID",
        help="instead of a file: the configuration of a study's best trial, or of a run, as MLflow has it",
    )
    declare_training(parser)


def run(options: argparse.Namespace) -> int:
    """Train what is not finished yet, and print the results."""
    from rdpp.stopping import stopping
    from rdpp.workers import train

    experiment = _experiment(options)
    with stopping() as stop:
        trained = train(experiment, work_options(options), stop)
    job = trained.job
    rows = [
        {**result_row(done.spec.category.name, done.spec.seed, done.epoch, done.metrics), "run": run_id}
        for done, run_id in zip(job.outcomes, trained.run_ids, strict=True)
    ]
    rows += [failed_row(plan.spec.category.name, plan.spec.seed, failure.reason) for plan, failure in job.failures]
    print_results(rows, as_json=options.json, selection=experiment.evaluation.selection)
    kept = next((row for row in rows if row.get("run") and experiment.keep != "none"), None)
    if kept is not None:
        say_predict(options, kept["run"], f"{kept['category']}, seed {kept['seed']}")
    say_ui(options, trained.run_ids[0] if len(rows) == len(trained.run_ids) == 1 else trained.parent)
    return 1 if job.failures else 0


def _experiment(options: argparse.Namespace) -> "ExperimentConfig":
    """Of the file, or as MLflow has it; with the flags laid over it."""
    from rdpp.built_in import find_file
    from rdpp.experiment import ExperimentConfig

    changes = changes_of(options)
    if options.recorded is None:
        return ExperimentConfig.from_yaml(find_file("experiment", options.experiment)).with_overrides(changes)
    from rdpp.tracking.reading.recorded import recorded_experiment
    from rdpp.tracking.store.mlflow_store import Store

    found = recorded_experiment(Store(options.tracking_uri, create=False), options.recorded)
    print(f"the configuration is that of {found.what}", file=sys.stderr)
    return found.on_data(options.data).with_overrides(changes)
