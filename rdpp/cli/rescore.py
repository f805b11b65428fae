"""`rdpp rescore`."""

import argparse

from rdpp.cli.flags import declare_json, declare_sources, declare_store

HELP = "compute every metric anew from stored anomaly maps"
EXAMPLES = """  rdpp rescore demo-ablation
  rdpp rescore "tags.category = 'screw'" --json"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Its flags."""
    declare_sources(parser)
    declare_store(parser)
    declare_json(parser)


def run(options: argparse.Namespace) -> None:
    """Rescore and print."""
    from rdpp.comparison import run_rescore

    run_rescore(options.sources, options.tracking_uri, as_json=options.json)
