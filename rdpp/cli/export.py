"""`rdpp export`."""

import argparse
from pathlib import Path

from rdpp.cli.flags import declare_json, declare_settings, declare_source, declare_store, pairs_of

HELP = "write a trained model as ONNX, as a torch program, or for the released code"
EXAMPLES = """  rdpp export 0123456789abcdef0123456789abcdef --to onnx --out screws.onnx --images photos/
  rdpp export runs/checkpoint --to torch --out screws.pt2 --images photo.png
  rdpp export runs/checkpoint --to official --out wres50_screw.pth"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Its flags."""
    declare_source(parser)
    parser.add_argument("--to", required=True, choices=("onnx", "torch", "official"), help="what to write")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the file")
    parser.add_argument(
        "--images",
        nargs="+",
        default=[],
        metavar="IMAGE",
        help="files, folders or globs: the program is checked on the first 8 of them before it is written",
    )
    declare_settings(parser)
    declare_store(parser)
    declare_json(parser)


def run(options: argparse.Namespace) -> None:
    """Export, and print how it compares."""
    from rdpp.deploy.export_command import run_export

    run_export(
        options.source,
        options.to,
        options.out,
        options.images,
        pairs_of(options.set),
        options.tracking_uri,
        as_json=options.json,
    )
