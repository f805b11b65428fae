"""`rdpp sync`."""

import argparse

from rdpp.cli.flags import declare_store

HELP = "send to MLflow what could not be sent while the store was away"
EXAMPLES = """  rdpp sync
  rdpp sync --tracking-uri http://127.0.0.1:5000"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Its flags."""
    declare_store(parser)


def run(options: argparse.Namespace) -> None:
    """Send what waits, and say how much it was."""
    from rdpp.display.output import results
    from rdpp.tracking.upkeep.sync import sync

    print(sync(options.tracking_uri), file=results())
