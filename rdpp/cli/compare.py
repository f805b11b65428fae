"""`rdpp compare`."""

import argparse
from pathlib import Path

from rdpp.cli.flags import declare_baseline, declare_json, declare_sources, declare_store, names

HELP = "variants against a baseline: differences, intervals, what they say"
EXAMPLES = """  rdpp compare demo-ablation
  rdpp compare ablation-mvtec --metrics image_auroc,pixel_aupro --published
  rdpp compare "tags.category = 'bolt'" --by teacher --loosely"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Its flags."""
    declare_sources(parser)
    declare_baseline(parser)
    parser.add_argument(
        "--metrics",
        type=names,
        metavar="A,B",
        help="by default image_auroc, pixel_auroc and pixel_aupro",
    )
    parser.add_argument("--by", metavar="TAG", help="what tells variants apart, by default variant (of a study: trial)")
    parser.add_argument(
        "--published",
        type=Path,
        nargs="?",
        const=Path(__file__).parents[1] / "comparison" / "published.yaml",
        metavar="FILE",
        help="figures from papers, as further rows; by default those of the RD and RD++ papers on MVTec AD",
    )
    parser.add_argument(
        "--loosely",
        action="store_true",
        help="pair runs by category and seed alone, though images, image size, selection or teacher differ",
    )
    parser.add_argument(
        "--last",
        type=int,
        metavar="N",
        help="compare means over each run's last N evaluated epochs instead of its chosen epoch",
    )
    declare_store(parser)
    declare_json(parser)


def run(options: argparse.Namespace) -> None:
    """Compare and print."""
    from rdpp.comparison import run_compare, show_comparison

    run_id, compared = run_compare(
        options.sources,
        baseline=options.baseline,
        metrics=options.metrics,
        by=options.by,
        published=options.published,
        tracking_uri=options.tracking_uri,
        loosely=options.loosely,
        last=options.last,
    )
    show_comparison(run_id, compared, as_json=options.json)
