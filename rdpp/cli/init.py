"""`rdpp init`."""

import argparse
import shlex
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
    enter = "" if options.folder == Path() else f"cd {shlex.quote(str(options.folder))}, "
    steps = "rdpp data synth data/synthetic, rdpp sweep sweeps/demo.yaml --workers 2, rdpp ui"
    print(f"next: {enter}{steps}", file=sys.stderr)
    print("a name, as in rdpp sweep demo, takes the built-in file, without your changes", file=sys.stderr)
