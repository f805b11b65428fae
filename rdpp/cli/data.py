"""`rdpp data`."""

import argparse
import sys
from pathlib import Path

HELP = "make data"
EXAMPLES = """  rdpp data synth data/synthetic
  rdpp data synth data/large --size 256 --seed 1"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Its actions and their flags."""
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    synth = actions.add_parser("synth", help="make the synthetic categories")
    synth.add_argument("folder", type=Path, metavar="DIR", help="made if it is missing")
    synth.add_argument("--seed", type=int, default=0, help="of everything drawn (%(default)s)")
    synth.add_argument("--size", type=int, default=128, help="side of the images in pixels (%(default)s)")


def run(options: argparse.Namespace) -> None:
    """Make the synthetic categories, the only action so far."""
    from rdpp.demo import make_categories

    make_categories(options.folder, seed=options.seed, size=options.size)
    print(f"synthetic categories in {options.folder}", file=sys.stderr)
