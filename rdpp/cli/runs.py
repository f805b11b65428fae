"""`rdpp runs`."""

import argparse
import sys
from pathlib import Path

from rdpp.cli.flags import declare_json, declare_store

HELP = "say what is in work and what is left over, clean up, or carry results to another store"
EXAMPLES = """  rdpp runs list
  rdpp runs list --json
  rdpp runs clean
  rdpp runs clean --states --yes
  rdpp runs export results.jsonl.gz --where "tags.ablation = 'demo-ablation'"
  rdpp runs import results.jsonl.gz"""


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
    exporting = actions.add_parser("export", help="write the results of finished runs to a file: values, no artifacts")
    exporting.add_argument("file", type=Path, metavar="FILE.jsonl.gz", help="to be written")
    exporting.add_argument("--where", metavar="QUERY", help="of which runs, in MLflow's language; by default all")
    declare_store(exporting)
    exporting.set_defaults(act=_export)
    importing = actions.add_parser("import", help="take in such a file: what it has is not trained again")
    importing.add_argument("file", type=Path, metavar="FILE.jsonl.gz", help="written by rdpp runs export")
    declare_store(importing)
    importing.set_defaults(act=_import)


def run(options: argparse.Namespace) -> None:
    """Do what the action says."""
    options.act(options)


def _list(options: argparse.Namespace) -> None:
    from rdpp.display.leftovers import print_leftovers
    from rdpp.display.output import print_json
    from rdpp.tracking.upkeep.leftovers import survey

    found = survey(options.tracking_uri).data()
    if options.json:
        print_json(found)
    else:
        print_leftovers(found)


def _clean(options: argparse.Namespace) -> None:
    """Say what will be done, ask, and do it."""
    from rdpp.config import require
    from rdpp.tracking.upkeep.cleaning import Plan, clean
    from rdpp.tracking.upkeep.leftovers import survey

    found = survey(options.tracking_uri)
    plan = Plan.of(found, states=options.states)
    if plan.is_empty():
        print("nothing is left over", file=sys.stderr)
        return
    print(*plan.lines(), sep="\n", file=sys.stderr)
    require(options.yes or sys.stdin.isatty(), "nobody can be asked, since there is no terminal; give --yes")
    if options.yes or _agrees():
        print(clean(plan, found), file=sys.stderr)


def _export(options: argparse.Namespace) -> None:
    from rdpp.tracking.store.mlflow_store import Store
    from rdpp.tracking.upkeep.exchange import export_runs

    count = export_runs(Store(options.tracking_uri, create=False), options.file, options.where)
    print(f"{options.file}: the results of {_runs(count)}", file=sys.stderr)


def _import(options: argparse.Namespace) -> None:
    from rdpp.tracking.store.mlflow_store import Store
    from rdpp.tracking.upkeep.exchange import import_runs

    new, known = import_runs(Store(options.tracking_uri), options.file)
    print(f"{_runs(new)} taken in, {known} were there already", file=sys.stderr)


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count} runs"


def _agrees() -> bool:
    print("go on? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
