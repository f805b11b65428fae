"""`rdpp report`."""

import argparse
import sys
from pathlib import Path

from rdpp.cli.flags import declare_baseline, declare_store

HELP = "one HTML page of a study or an ablation"
EXAMPLES = """  rdpp report demo-ablation --out runs/demo-ablation.html
  rdpp report demo"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Its flags."""
    parser.add_argument("source", metavar="STUDY_OR_ABLATION", help="its name, or the id of its MLflow run")
    declare_baseline(parser)
    parser.add_argument("--out", type=Path, metavar="FILE.html", help="where the page is written")
    declare_store(parser)


def run(options: argparse.Namespace) -> None:
    """Write the page."""
    from rdpp.comparison import write_report

    path = write_report(options.source, options.out, options.tracking_uri, options.baseline)
    print(f"report in {path}, and in the MLflow UI under Artifacts of its run", file=sys.stderr)
