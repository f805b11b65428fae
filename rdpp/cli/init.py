"""`rdpp init`."""

import argparse
import sys
from pathlib import Path

HELP = "write the built-in experiments, sweeps and ablations as files"
EXAMPLES = """  rdpp init
  rdpp init my-study --force"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Its flags."""
    parser.add_argument(
        "folder", type=Path, nargs="?", default=Path(), metavar="DIR", help="made if it is missing; by default this one"
    )
    parser.add_argument("--force", action="store_true", help="write over files that are there; else they are kept")


def run(options: argparse.Namespace) -> None:
    """Write the files, and say which."""
    from rdpp.built_in import write_files

    written = write_files(options.folder, replace=options.force)
    for name in written.new:
        print(f"wrote {options.folder / name}", file=sys.stderr)
    for name in written.kept:
        print(f"kept {options.folder / name}, which was there already (--force writes over it)", file=sys.stderr)
    print("next: rdpp data synth data/synthetic, then rdpp sweep demo or rdpp sweep sweeps/demo.yaml", file=sys.stderr)
