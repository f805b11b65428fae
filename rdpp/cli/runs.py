"""`rdpp runs`."""

import argparse
import sys

from rdpp.cli.flags import declare_json, declare_store

HELP = "say what is in work and what is left over, or clean up"
EXAMPLES = """  rdpp runs list
  rdpp runs list --json
  rdpp runs clean
  rdpp runs clean --states --yes"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Its actions and their flags."""
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="say what is there, and what it takes on disk")
    declare_store(listing)
    declare_json(listing)
    listing.set_defaults(act=_list)
    clean = actions.add_parser("clean", help="remove scratch and states of finished runs, mark dead runs as KILLED")
    clean.add_argument("--states", action="store_true", help="also states from which interrupted runs could go on")
    clean.add_argument("--yes", action="store_true", help="do not ask")
    declare_store(clean)
    clean.set_defaults(act=_clean)


def run(options: argparse.Namespace) -> None:
    """Do what the action says."""
    options.act(options)


def _list(options: argparse.Namespace) -> None:
    from rdpp.display.leftovers import print_leftovers
    from rdpp.display.output import print_json
    from rdpp.tracking.leftovers import survey

    found = survey(options.tracking_uri).data()
    if options.json:
        print_json(found)
    else:
        print_leftovers(found)


def _clean(options: argparse.Namespace) -> None:
    """Say what will be done, ask, and do it."""
    from rdpp.config import require
    from rdpp.tracking.cleaning import Plan, clean
    from rdpp.tracking.leftovers import survey

    found = survey(options.tracking_uri)
    plan = Plan.of(found, states=options.states)
    if plan.is_empty():
        print("nothing is left over", file=sys.stderr)
        return
    print(*plan.lines(), sep="\n", file=sys.stderr)
    require(options.yes or sys.stdin.isatty(), "nobody can be asked, since there is no terminal; give --yes")
    if options.yes or _agrees():
        print(clean(plan, found), file=sys.stderr)


def _agrees() -> bool:
    print("go on? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
