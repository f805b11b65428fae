"""`rdpp data`."""

import argparse
import sys
from pathlib import Path

from rdpp.cli.flags import declare_json
from rdpp.download.sources import SOURCES

HELP = "make data, download it, or look through it"
EXAMPLES = """  rdpp data synth data/synthetic
  rdpp data synth data/large --size 256 --seed 1
  rdpp data download visa data/visa
  rdpp data check /path/to/mvtec
  rdpp data check DIR --image-size 128 --set white=4095 --json
  rdpp data check DIR --reader folder --set "folder={good: ok, defective: nok, masks: labels}\""""


def declare(parser: argparse.ArgumentParser) -> None:
    """Its actions and their flags."""
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    synth = actions.add_parser("synth", help="make the synthetic categories")
    synth.add_argument("folder", type=Path, metavar="DIR", help="made if it is missing")
    synth.add_argument("--seed", type=int, default=0, help="of everything drawn (%(default)s)")
    synth.add_argument("--size", type=int, default=128, help="side of the images in pixels (%(default)s)")
    synth.set_defaults(act=_synth)
    get = actions.add_parser("download", help="download a data set by its name, check and unpack it")
    get.add_argument("name", metavar="NAME", help=f"one of {', '.join(SOURCES)}")
    get.add_argument("folder", type=Path, metavar="DIR", help="empty, or made; what is unfinished lies beside it")
    get.add_argument("--url", metavar="URL", help="of a mirror; its file must have the SHA-256 that is known")
    get.set_defaults(act=_download)
    check = actions.add_parser("check", help="say what a data set holds, and what is wrong with it")
    check.add_argument("folder", type=Path, metavar="DIR", help="of the data set: one folder for each category")
    check.add_argument("--reader", metavar="NAME", help="its layout, as data.reader; by default it is recognised")
    check.add_argument("--image-size", type=int, metavar="N", help="side at which masks are looked at, by default 256")
    check.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="any other key of data, such as white=4095; may be given often",
    )
    declare_json(check)
    check.set_defaults(act=_check)


def run(options: argparse.Namespace) -> None:
    """Do what the action says."""
    options.act(options)


def _synth(options: argparse.Namespace) -> None:
    from rdpp.demo import make_categories

    make_categories(options.folder, seed=options.seed, size=options.size)
    print(f"synthetic categories in {options.folder}", file=sys.stderr)


def _download(options: argparse.Namespace) -> None:
    """Show the licence, download, and say how to look at it."""
    from rdpp.config import choose
    from rdpp.display.download import DownloadBar
    from rdpp.download.fetch import download

    source = SOURCES[choose(options.name, SOURCES, "data set")]
    print(f"{source.title}: {source.licence}; see {source.page}", file=sys.stderr)
    with DownloadBar() as bar:
        categories = download(options.name, source, options.folder, bar, url=options.url, tell=bar.line)
    print(
        f"{len(categories)} categories of {source.title} in {options.folder}; look at them with rdpp data check "
        f"{options.folder}",
        file=sys.stderr,
    )


def _check(options: argparse.Namespace) -> None:
    """Print what was found; raises ConfigError (exit code 2) where a run would be refused, or read damaged images."""
    from rdpp.cli.flags import pairs_of
    from rdpp.config import ConfigError, decode
    from rdpp.data import described, reader_at
    from rdpp.data.check import check_data
    from rdpp.display.check import print_check
    from rdpp.display.output import print_json, results
    from rdpp.experiment import DataConfig
    from rdpp.folders import home_expanded

    given = {"reader": options.reader, "image_size": options.image_size}
    keys = {**{key: value for key, value in given.items() if value is not None}, **pairs_of(options.set)}
    data = decode(DataConfig, {**keys, "root": str(options.folder)}, "data")
    root = Path(data.root).expanduser()
    reader = reader_at(root, data.layout)
    found = check_data(root, reader, data.size, data.reading, home_expanded(data.cache, "data.cache"))
    if options.json:
        print_json([vars(category) for category in found])
    else:
        print(f"read as {described(reader)}", file=results())
        print_check(found, data.size)
    unusable = [category for category in found if category.problems]
    if unusable:
        raise ConfigError(
            f"{len(unusable)} of {len(found)} categories cannot be used as they are, first "
            f"{unusable[0].category}: {unusable[0].problems[0]}"
        )
    damaged = [wrong for category in found for wrong in category.cached.values() if wrong]
    if damaged:
        raise ConfigError(damaged[0])
