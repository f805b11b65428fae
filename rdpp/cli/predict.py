"""`rdpp predict`."""

import argparse
from pathlib import Path

from rdpp.cli.flags import declare_json, declare_model, declare_settings, declare_store, names, pairs_of

HELP = "judge new images with a trained model"
EXAMPLES = """  rdpp predict photos/ --model 0123456789abcdef0123456789abcdef --out predicted
  rdpp predict "photos/*.png" more.tif --model runs/checkpoint --out predicted --rate 5 --maps npy
  rdpp predict - --model screws@champion --out predicted --maps none --json > predicted.json"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Its flags."""
    parser.add_argument(
        "images", nargs="+", metavar="IMAGE", help="files, folders, globs, or - for a list on standard input"
    )
    declare_model(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for table and maps")
    parser.add_argument(
        "--rate",
        type=float,
        choices=(0.1, 1.0, 5.0),
        default=1.0,
        help="false-alarm rate of the thresholds, in per cent (%(default)s)",
    )
    parser.add_argument("--threshold", type=float, metavar="VALUE", help="of scores and maps, instead of the model's")
    parser.add_argument(
        "--maps",
        type=names,
        default=["overlay"],
        metavar="overlay,png16,npy|none",
        help="which maps to write, at each image's own size (overlay)",
    )
    parser.add_argument("--batch-size", type=int, metavar="N", help="images at a time; by default as in training")
    parser.add_argument(
        "--device", default="auto", metavar="auto|cpu|cuda|cuda:N", help="where to compute; auto: a GPU if there is one"
    )
    declare_settings(parser)
    declare_store(parser)
    declare_json(parser)


def run(options: argparse.Namespace) -> int:
    """Predict, write and print."""
    from rdpp.deploy.command import PredictOptions, run_predict

    return run_predict(
        PredictOptions(
            images=options.images,
            model=options.model,
            out=options.out,
            rate=options.rate / 100,
            threshold=options.threshold,
            maps=[] if options.maps == ["none"] else options.maps,
            batch_size=options.batch_size,
            device=options.device,
            tracking_uri=options.tracking_uri,
            changes=pairs_of(options.set),
            as_json=options.json,
        )
    )
