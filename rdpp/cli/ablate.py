"""`rdpp ablate`."""

import argparse
from pathlib import Path

from rdpp.built_in import FILES, find_file
from rdpp.cli.flags import changes_of, declare_training, work_options
from rdpp.cli.results import say_ui

HELP = "run what is missing of variants x categories x seeds, and compare"
EXAMPLES = """  rdpp ablate demo
  rdpp ablate sweeps/ablation_mvtec.yaml --data /path/to/mvtec --seeds 1,2,3"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Its flags."""
    built_in = ", ".join(FILES["ablation"])
    parser.add_argument("file", type=Path, metavar="ABLATION", help=f"the ablation's file, or built-in: {built_in}")
    declare_training(parser)


def run(options: argparse.Namespace) -> int:
    """Train the missing runs, and print the comparison."""
    from rdpp.ablation import AblationConfig, ablate
    from rdpp.comparison import run_compare, show_comparison
    from rdpp.stopping import stopping

    with stopping() as stop:
        ablation = AblationConfig.from_yaml(find_file("ablation", options.file), changes_of(options))
        run_id, failed = ablate(ablation, work_options(options), stop)
    show_comparison(*run_compare([run_id], tracking_uri=options.tracking_uri), as_json=options.json)
    say_ui(options, run_id)
    return 1 if failed else 0
