"""Do thresholds from good training images keep their false-alarm rates on the test set?

    python scripts/studies/thresholds.py /path/to/mvtec [--teacher resnet18 --weights FILE --size 256 --steps 400]
        [--categories A,B] [--hold-out 0.2] [--folds 5] [--device auto] [--selection held_out]

Trains one run a category, with images held out, and prints a row: how many good images the thresholds rest on, and for
each rate what they do on the test images. With --folds a second row has thresholds by cross-fitting, which rest on all
training images; it takes so many further trainings. `false alarms` are good test images above the image threshold, with
the 90 % interval that the thresholds promise; `found` are defective ones; `pixels` is the share of good test images'
pixels above the pixel threshold. A category of 40 good test images measures its own rate roughly: one is 2.5 %.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from rich.table import Table

from rdpp.cli import exit_code_of
from rdpp.data import list_categories, reader_at
from rdpp.display.console import output_console
from rdpp.engine import (
    RATES,
    CheckpointWriter,
    Result,
    RunSpec,
    Threshold,
    Thresholds,
    cross_fitted,
    read_checkpoint,
    train,
)
from rdpp.engine.thresholds import rate_name, real_rates
from rdpp.experiment import ExperimentConfig

_HEADS = ("category", "good images", "good,\ndefective\nin test", "rate", "promised\n(90 %)", "false\nalarms", "found")


def experiment_of(options: argparse.Namespace) -> ExperimentConfig:
    """The released settings, but for what the flags say."""
    teacher = {"name": options.teacher, **({"weights": options.weights} if options.weights else {})}
    evaluation = {"selection": options.selection, "hold_out": options.hold_out, "every": options.every}
    return ExperimentConfig.from_mapping(
        {
            "name": "thresholds",
            "data": {"root": str(options.data), "image_size": options.size},
            "teacher": teacher,
            "noise": {"name": "simplex"},
            "losses": {"distillation": {}, "reconstruction": {}},
            "training": {"steps": options.steps},
            "evaluation": evaluation,
            "device": options.device,
        },
        "thresholds",
    )


def measure(experiment: ExperimentConfig, category: str, folds: int) -> Iterator[tuple[Thresholds, Result]]:
    """One run, and the thresholds that it took, or that are taken for it."""
    with tempfile.TemporaryDirectory(prefix="rdpp-") as scratch:
        writer = CheckpointWriter(Path(scratch))
        result = train(RunSpec.of(experiment, category, 1), observers=[writer])
        assert result.thresholds is not None
        yield result.thresholds, result
        if folds:
            checkpoint = read_checkpoint(Path(scratch))
            yield cross_fitted(checkpoint, folds, {"device": experiment.device}, lambda *_: lambda event: None), result


def rows(category: str, found: Thresholds, result: Result) -> Iterator[list[str]]:
    """A row a rate."""
    test, labels = result.evaluation.prediction, result.evaluation.split.labels
    real = real_rates(found, test.image_scores, test.anomaly_maps, labels)
    good, defective = int(np.sum(~labels)), int(np.sum(labels))
    for number, rate in enumerate(RATES):
        first = [category, f"{found.images} ({found.origin.split(',')[0]})", f"{good}, {defective}"]
        image = _cells(found.image_at(rate), "image", real)
        pixel = _cells(found.pixel_at(rate), "pixel", real)[:2]
        yield [*(first if number == 0 else [""] * 3), f"{100 * rate:g}", *image, *pixel]


def _cells(found: Threshold | None, what: str, real: Mapping[str, float]) -> list[str]:
    """What is promised, the false alarms, and of image thresholds what is found."""
    if found is None:
        return ["-"] * 3
    name = rate_name(what, found.rate)
    share = f"{100 * real[f'detection_rate/{name}']:.1f}" if what == "image" else ""
    return [_interval(found.low, found.high), f"{100 * real[f'false_alarm_rate/{name}']:.2f}", share]


def _interval(low: float, high: float) -> str:
    return f"{100 * low:.2f} - {100 * high:.2f}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, and print one table at the end; each category's rows come as they are known."""
    parser = argparse.ArgumentParser(description="Thresholds and their real false-alarm rates, by category.")
    parser.add_argument("data", type=Path)
    parser.add_argument("--categories", type=lambda text: text.split(","))
    parser.add_argument("--teacher", default="wide_resnet50_2")
    parser.add_argument("--weights")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--selection", choices=("last", "held_out"), default="held_out")
    parser.add_argument("--hold-out", type=float, default=0.2)
    parser.add_argument("--folds", type=int, default=0)
    parser.add_argument("--device", default="auto")
    options = parser.parse_args(arguments)
    table = Table(title="thresholds and what they do on the test images, per cent")
    for head in (*_HEADS, "pixels:\npromised", "pixels:\nfalse alarms"):
        table.add_column(head, justify="left" if head == "category" else "right")
    for category in options.categories or list_categories(options.data, reader_at(options.data, "auto")):
        for found, result in measure(experiment_of(options), category, options.folds):
            for row in rows(category, found, result):
                print(*row, sep="\t", flush=True)
                table.add_row(*row)
    output_console().print(table)


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
