"""The command line: a module a command. Heavy imports wait until a command needs them."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from rdpp import __version__
from rdpp.cli import (
    ablate,
    compare,
    completion,
    data,
    evaluate,
    export,
    init,
    predict,
    register,
    replay,
    report,
    rescore,
    runs,
    sweep,
    sync,
    thresholds,
    train,
    ui,
)
from rdpp.cli.words import parse
from rdpp.display.output import results_alone
from rdpp.stopping import Stopped

COMMANDS = {
    "init": init,
    "train": train,
    "evaluate": evaluate,
    "predict": predict,
    "thresholds": thresholds,
    "export": export,
    "register": register,
    "sweep": sweep,
    "ablate": ablate,
    "compare": compare,
    "report": report,
    "rescore": rescore,
    "replay": replay,
    "sync": sync,
    "runs": runs,
    "ui": ui,
    "data": data,
    "completion": completion,
}
"""Each module has HELP, EXAMPLES, `declare(parser)` for its flags, and `run(options)`."""

_EPILOG = """first steps, in any folder, with built-in images and a small network:
  rdpp data synth data/synthetic
  rdpp sweep demo --workers 2
  rdpp ui

`rdpp COMMAND --help` has the flags of a command, and examples.

exit codes:
  0    done
  1    a run failed, or an image could not be read: one line on standard error says why; of `rdpp replay`: the run is
       not equal
  2    bad input: one line on standard error says what to mend
  130  stopped by Ctrl-C (143 by SIGTERM, 129 by SIGHUP, 138 by SIGUSR1); the same command goes on from there"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit code; see `rdpp --help`.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # inherited by workers and by MLflow's UI

    def run() -> int | None:
        options = parse(build_parser(), sys.argv[1:] if arguments is None else arguments)
        with results_alone():
            return options.run(options)

    return exit_code_of(run, "stopped; run the same command again to go on")


def exit_code_of(run: Callable[[], int | None], stopped: str = "stopped") -> int:
    """The exit code of what a command or script does. What a user can mend is said in one line.

    Args:
        run: the work; returns its own exit code, or nothing.
        stopped: what is said where a signal stopped it.
    """
    try:
        return run() or 0
    except ValueError as error:
        from rdpp.addresses import shown
        from rdpp.config import ConfigError
        from rdpp.metrics import NotFinite

        if not isinstance(error, ConfigError | NotFinite):
            raise
        print(f"rdpp: {shown(error)}", file=sys.stderr)
        return 2 if isinstance(error, ConfigError) else 1
    except OSError as error:
        from rdpp.folders import disk_problem, is_of_the_machine

        if not is_of_the_machine(error):
            raise
        print(f"rdpp: {disk_problem(error)}", file=sys.stderr)
        return 2
    except (KeyboardInterrupt, Stopped) as signal:
        print(f"rdpp: {stopped}", file=sys.stderr)
        return signal.exit_code if isinstance(signal, Stopped) else 130


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(
        "rdpp",
        description="RD++ anomaly detection: train, evaluate, sweep, compare.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"rdpp {__version__}", help="print the version")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name, module in COMMANDS.items():
        command = commands.add_parser(
            name,
            help=module.HELP,
            description=f"{module.HELP[0].upper()}{module.HELP[1:]}.",
            epilog=f"examples:\n{module.EXAMPLES}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.set_defaults(run=module.run)
        module.declare(command)
    return parser
