"""`rdpp register`."""

import argparse

from rdpp.cli.flags import declare_json, declare_settings, declare_store, pairs_of

HELP = "put a trained model into MLflow's registry, to be loaded by name and served"
EXAMPLES = """  rdpp register 0123456789abcdef0123456789abcdef screws
  rdpp register my-study screws --alias champion
  rdpp register 0123456789abcdef0123456789abcdef screws --alias champion --force"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Its flags."""
    parser.add_argument(
        "source",
        metavar="RUN|STUDY",
        help="an MLflow run id, or a study (name or id): of its best trial the first finished run with a checkpoint",
    )
    parser.add_argument("name", metavar="NAME", help="of the registered model; made where there is none")
    parser.add_argument(
        "--alias",
        metavar="ALIAS",
        help="such as champion: goes to the new version if it is better on held-out images than the one that has it",
    )
    parser.add_argument("--force", action="store_true", help="move the alias without comparing")
    declare_settings(parser)
    declare_store(parser)
    declare_json(parser)


def run(options: argparse.Namespace) -> None:
    """Register, and print what was done."""
    import dataclasses

    from rdpp.config import require
    from rdpp.deploy.registry import register
    from rdpp.display.output import print_json, results

    require(options.alias is not None or not options.force, "--force moves an alias; name it with --alias")
    changes = pairs_of(options.set)
    done = register(
        options.source, options.name, options.alias, options.tracking_uri, force=options.force, changes=changes
    )
    if options.json:
        print_json(dataclasses.asdict(done))
    else:
        print(done, file=results())
