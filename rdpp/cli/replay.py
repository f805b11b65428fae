"""`rdpp replay`."""

import argparse

from rdpp.cli.flags import declare_json, declare_store

HELP = "train a finished run once more, and say whether its metrics are equal, else what differs"
EXAMPLES = """  rdpp replay 0123456789abcdef0123456789abcdef
  rdpp replay 0123456789abcdef0123456789abcdef --at-commit --json"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Its flags."""
    parser.add_argument("run_id", metavar="RUN_ID", help="MLflow's id of a finished run of one category and seed")
    parser.add_argument(
        "--at-commit", action="store_true", help="train with the code of the recorded commit, in a fresh clone"
    )
    parser.add_argument(
        "--repository",
        metavar="PATH|URL",
        help="what is cloned for --at-commit; by default the checkout that rdpp lies in",
    )
    parser.add_argument(
        "--tolerance",
        type=float,
        metavar="X",
        help="differences of a metric (0 to 1) that count as equal; by default 0 on a CPU, 0.01 on a GPU",
    )
    parser.add_argument("--data", metavar="DIR", help="folder of the data set, if it has moved")
    parser.add_argument("--changed-data", action="store_true", help="train though the data has changed")
    parser.add_argument("--device", metavar="cpu|cuda|cuda:N", help="instead of the recorded one")
    parser.add_argument("--threads", type=int, metavar="N", help="CPU threads, instead of the recorded number")
    declare_store(parser)
    declare_json(parser)


def run(options: argparse.Namespace) -> int:
    """Replay, print, and exit with 1 if the run is not equal."""
    from rdpp.deploy.replay import ReplayOptions, replay
    from rdpp.deploy.replay_report import as_data, print_replayed
    from rdpp.display.console import ConsoleObserver, output_console
    from rdpp.display.output import print_json
    from rdpp.display.screen import Terminal

    given = {key: value for key, value in vars(options).items() if key in ReplayOptions.__dataclass_fields__}
    with Terminal(1) as screen:
        found = replay(options.run_id, ReplayOptions(**given), [ConsoleObserver(screen)], screen.line)
    if options.json:
        print_json(as_data(found))
    else:
        print_replayed(found, output_console())
    return 0 if found.equal else 1
