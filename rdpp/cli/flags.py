"""Flags that several commands have, and what they change in an experiment."""

import argparse
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rdpp.built_in import FILES

if TYPE_CHECKING:
    from rdpp.workers import WorkOptions


EXPERIMENT_HELP = f"the experiment's file, or built-in: {', '.join(FILES['experiment'])}"


def declare_training(parser: argparse.ArgumentParser) -> None:
    """All that the commands which train have in common."""
    declare_data(parser)
    declare_length(parser)
    declare_workers(parser)
    declare_store(parser)
    declare_json(parser)


def declare_data(parser: argparse.ArgumentParser) -> None:
    """Which images, where to compute, and any other setting."""
    parser.add_argument("--data", metavar="DIR", help="folder of the data set, laid out as data.reader says")
    parser.add_argument(
        "--categories", type=names, metavar="A,B", help="which categories; by default all in the folder"
    )
    parser.add_argument(
        "--device", metavar="auto|cpu|cuda|cuda:N", help="where to compute; auto: a GPU if there is one"
    )
    declare_settings(parser)


def declare_settings(parser: argparse.ArgumentParser) -> None:
    """Any other setting."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="any setting of the experiment by its dotted path, such as losses.ssot.weight=0.3; may be given often",
    )


def declare_length(parser: argparse.ArgumentParser) -> None:
    """How long and how often to train."""
    either = parser.add_mutually_exclusive_group()
    either.add_argument("--epochs", type=int, metavar="N", help="epochs, for every category")
    either.add_argument("--steps", type=int, metavar="N", help="batches a run, instead of epochs")
    parser.add_argument("--seeds", type=_numbers, metavar="1,2,3", help="seeds, each a run of its own; also as 1 2 3")
    parser.add_argument(
        "--again",
        action="store_true",
        help="train runs anew that finished before (of a study: those of trials still to come)",
    )


def declare_workers(parser: argparse.ArgumentParser) -> None:
    """Who works, and what is gone on with."""
    parser.add_argument(
        "--workers", type=int, metavar="N", help="processes at the same time; threads and feature_cache_gb are divided"
    )
    parser.add_argument(
        "--devices", type=names, metavar="cuda:0,cuda:1", help="devices for the workers; by default all GPUs"
    )
    parser.add_argument("--workers-per-device", type=int, metavar="K", help="instead of --workers")
    parser.add_argument(
        "--ray",
        metavar="ADDRESS",
        help="workers on a Ray cluster: local starts one on this machine, auto joins the one that runs here; also "
        "HOST:PORT and ray://HOST:PORT",
    )
    parser.add_argument(
        "--storage",
        metavar="URL",
        help="Optuna's database, by default RDPP_STORAGE, else sqlite in ./runs; with one of PostgreSQL the same "
        "command on several machines shares the work",
    )
    parser.add_argument(
        "--changed-code",
        action="store_true",
        help="go on with runs that were stopped in their middle, though the code has changed (noted with the run)",
    )


def work_options(options: argparse.Namespace) -> "WorkOptions":
    """What these flags say."""
    from rdpp.workers import WorkOptions

    return WorkOptions(
        tracking_uri=options.tracking_uri,
        storage=options.storage,
        workers=options.workers,
        devices=options.devices,
        per_device=options.workers_per_device,
        ray=options.ray,
        since=time.time() if options.again else 0.0,
        changed_code=options.changed_code,
    )


def declare_store(parser: argparse.ArgumentParser) -> None:
    """Where runs are kept."""
    parser.add_argument("--tracking-uri", metavar="URI", help="MLflow store; by default sqlite in ./runs")


_MODEL = "an MLflow run id, a checkpoint, or a registered model: NAME@ALIAS, NAME/VERSION"


def declare_model(parser: argparse.ArgumentParser) -> None:
    """Which trained network, beside what the command is about."""
    parser.add_argument("--model", required=True, metavar="SOURCE", help=_MODEL)


def declare_source(parser: argparse.ArgumentParser) -> None:
    """Which trained network, where the command is about it."""
    parser.add_argument("source", metavar="SOURCE", help=_MODEL)


def declare_json(parser: argparse.ArgumentParser) -> None:
    """How results are printed."""
    parser.add_argument("--json", action="store_true", help="print the results as JSON")


def declare_sources(parser: argparse.ArgumentParser) -> None:
    """Which finished runs."""
    parser.add_argument(
        "sources",
        nargs="+",
        metavar="SOURCE",
        help="an ablation, a study, an MLflow run id, or a query such as \"tags.teacher = 'resnet18'\"",
    )


def declare_baseline(parser: argparse.ArgumentParser) -> None:
    """What variants are compared with."""
    parser.add_argument("--baseline", metavar="VARIANT", help="by default the ablation's own, or the first variant")


def changes_of(options: argparse.Namespace) -> dict[str, Any]:
    """Flags and --set as overrides of an experiment, by dotted path.

    Raises:
        ConfigError: --set without a key, or with a value that is not YAML.
    """
    flags = {
        "data.root": options.data,
        "data.categories": options.categories,
        "device": options.device,
        "seeds": getattr(options, "seeds", None),
    }
    changes: dict[str, Any] = {path: value for path, value in flags.items() if value is not None}
    epochs, steps = getattr(options, "epochs", None), getattr(options, "steps", None)
    if epochs is not None or steps is not None:
        changes |= {"training.epochs": epochs, "training.steps": steps}
    return {**changes, **pairs_of(options.set)}


def pairs_of(given: Sequence[str]) -> dict[str, Any]:
    """`key=value` texts as a mapping, the values read as YAML.

    Raises:
        ConfigError: one without a key, or with a value that is not YAML.
    """
    import yaml

    from rdpp.config import ConfigError

    pairs: dict[str, Any] = {}
    for item in given:
        path, equals, text = item.partition("=")
        if not equals:
            raise ConfigError(f"--set takes key=value, such as losses.ssot.weight=0.3, got '{item}'")
        try:
            pairs[path.strip()] = yaml.safe_load(text)
        except yaml.YAMLError:
            raise ConfigError(f"--set {path}: '{text}' is not a YAML value") from None
    return pairs


def names(text: str) -> list[str]:
    """`A,B` as a list."""
    return text.split(",")


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


_numbers.__name__ = "whole numbers"  # argparse: "invalid whole numbers value"
