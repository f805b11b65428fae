"""Do the released procedure and rdpp learn the same? Many common initial states, and means over a window of epochs.

    python scripts/studies/agreement.py DATA --categories metal_plate,pill --teacher '{name: resnet18}' --states 8

From each state three sides are trained with the released settings on the same batches with the same noise:

- `plain`: the released procedure in plain torch (scripts/bench/baseline.py), which shares no fast kernel with rdpp
- `off`: rdpp with `kernels: off`, where torch computes everything
- `auto`: rdpp as it is

Rounding makes them part after a few epochs, and one epoch's image AUROC strays by ten points. So what is compared is
each side's mean over the second half of its epochs. Two sides agree where the 90 % interval of their mean difference
over the states lies within the margin (two one-sided t-tests at 5 %; Schuirmann 1987).

The table also tells how far single epochs and these means scatter over the states: what a window of epochs is worth to
whoever compares two runs. Each run's metrics are appended to a file, and what is there is not trained again.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from rich.table import Table
from scipy import stats

from rdpp.cli import exit_code_of
from rdpp.data import shuffled
from rdpp.display.console import output_console
from rdpp.engine import EpochFinished, Event, RunSpec, grid, resolve, train
from rdpp.engine.seeding import streams
from rdpp.engine.setup import Setup
from rdpp.experiment import ExperimentConfig
from rdpp.metrics import evaluate as compute_metrics
from rdpp.models import teacher_backbone

sys.path.append(str(Path(__file__).parents[1] / "bench"))
from baseline import PlainTraining, normalised

SIDES = ("plain", "off", "auto")
METRICS = ("image_auroc", "pixel_auroc", "pixel_aupro")
Row = dict[str, Any]
"""category, state, side, epoch and METRICS."""


def main() -> None:
    """Train what is missing, and print what all of it says."""
    options = _options()
    rows = _read(options.rows)
    known = {(row["category"], row["state"], row["side"]) for row in rows}
    for state in range(1, options.states + 1):
        for spec in grid(_experiment(options, state)):
            for side in SIDES:
                if (spec.category.name, state, side) not in known:
                    new = list(_rows(spec, side, state))
                    _append(options.rows, new)
                    rows += new
                    print(f"{spec.category.name}, state {state}, {side}: done", file=sys.stderr)
    for category in options.categories.split(","):
        output_console().print(_table(category, [row for row in rows if row["category"] == category], options.margin))


def _options() -> argparse.Namespace:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", help="folder of the data set")
    parser.add_argument("--categories", default="metal_plate,pill", help="with an even number of batches an epoch")
    parser.add_argument("--teacher", default="{name: resnet18}", help="as in an experiment (%(default)s)")
    parser.add_argument("--image-size", type=int, default=128, help="in pixels (%(default)s)")
    parser.add_argument("--steps", type=int, default=120, help="of a run, whole epochs (%(default)s)")
    parser.add_argument("--states", type=int, default=8, help="initial states, each with its order (%(default)s)")
    parser.add_argument("--margin", type=float, default=3.0, help="of agreement, in points (%(default)s)")
    parser.add_argument("--threads", type=int, help="by default all")
    parser.add_argument("--rows", type=Path, default=Path("runs/agreement.jsonl"), help="(%(default)s)")
    return parser.parse_args()


def _experiment(options: argparse.Namespace, state: int) -> ExperimentConfig:
    """The released settings."""
    released = ExperimentConfig.from_yaml(Path(__file__).parents[2] / "experiments" / "rdpp.yaml")
    changes = {
        "data.root": options.data,
        "data.categories": options.categories.split(","),
        "data.image_size": options.image_size,
        "teacher": yaml.safe_load(options.teacher),
        "training.epochs": None,
        "training.steps": options.steps,
        "evaluation": {"selection": "last", "every": 1},
        "seeds": [state],
        "device": "cpu",
        "threads": options.threads,
    }
    return resolve(released.with_overrides(changes))


def _rows(spec: RunSpec, side: str, state: int) -> Iterator[Row]:
    """The metrics of each whole epoch on the test images."""
    evaluations = _plain(spec) if side == "plain" else _ours(spec, side)
    for epoch, metrics in enumerate(evaluations, 1):
        values = {name: float(metrics[name]) for name in METRICS}
        yield {"category": spec.category.name, "state": state, "side": side, "epoch": epoch, **values}


def _ours(spec: RunSpec, side: str) -> list[dict[str, float]]:
    """By `rdpp.engine.train`."""
    found = []

    def observer(event: Event) -> None:
        if isinstance(event, EpochFinished) and event.evaluation is not None:
            found.append(dict(event.evaluation.metrics))

    experiment = resolve(spec.experiment.with_overrides({"kernels": side}))
    train(RunSpec(experiment=experiment, category=spec.category), observers=[observer])
    return found


def _plain(spec: RunSpec) -> list[dict[str, float]]:
    """By the released procedure, with the initial state, the order, the noise and the metrics of rdpp."""
    setup, generators = Setup.of(spec), streams(spec.seed)
    if setup.steps_per_epoch % 2:
        raise SystemExit(f"{spec.category.name}: an odd number of batches, whose last gradient the released code leaks")
    training = PlainTraining(spec.experiment.teacher.name)
    _copy_state(training, setup, generators)
    noise, config = spec.experiment.noise, spec.experiment.training
    assert noise is not None
    found = []
    for _ in range(setup.steps // setup.steps_per_epoch):
        for batch in setup.train.batches(shuffled(len(setup.train), config.batch_size, generators.order)):
            noisy, _ = noise(batch.images.clone(), generators.noise, inplace=True)
            training.step(normalised(batch.images), normalised(noisy))
        found.append(_evaluated(training, setup))
    return found


def _copy_state(training: PlainTraining, setup: Setup, generators: Any) -> None:
    """The teacher's weights, and those that rdpp begins with."""
    missing, unexpected = training.teacher.resnet.load_state_dict(
        teacher_backbone(setup.experiment.teacher, setup.spec.seed).state_dict(), strict=False
    )
    assert not unexpected, unexpected
    assert all(name.startswith(("layer4", "fc")) for name in missing), missing
    ours = setup.network(generators)
    training.network.bottleneck.load_state_dict(ours.bottleneck.state_dict())
    training.network.student.load_state_dict(ours.student.state_dict())
    assert ours.projection is not None
    pairs = zip(_convolutions(training.projection), _convolutions(ours.projection), strict=True)
    with torch.no_grad():
        for plain, own in pairs:
            plain.weight.copy_(own.weight)
            assert plain.bias is not None
            assert own.bias is not None
            plain.bias.copy_(own.bias)


def _convolutions(module: torch.nn.Module) -> list[torch.nn.Conv2d]:
    return [part for part in module.modules() if isinstance(part, torch.nn.Conv2d)]


def _evaluated(training: PlainTraining, setup: Setup) -> dict[str, float]:
    split = setup.watched.split
    images = torch.from_numpy(split.images[:])
    maps = np.concatenate([training.anomaly_maps(normalised(part)) for part in images.split(16)])
    return compute_metrics(maps, setup.watched.regions, maps.max((1, 2)), split.labels, split.defect_types)


def _table(category: str, rows: Sequence[Row], margin: float) -> Table:
    """Each side's mean over states, the differences from `plain` with their intervals, and what scatters how far. All
    sides count with the same epochs: rdpp trains the begun last one too, `plain` whole ones alone."""
    rows = _of_common_epochs(rows)
    title = f"{category}: means over the second half of the epochs, per cent; margin {margin:g} points"
    table = Table(title=title)
    for name in (
        "metric",
        "side",
        "states",
        "mean",
        "difference",
        "90 % interval",
        "agrees",
        "epochs' sd",
        "means' sd",
    ):
        table.add_column(name, justify="right")
    for metric in METRICS:
        plain, _ = _means(rows, "plain", metric)
        for side in SIDES:
            means, scatter = _means(rows, side, metric)
            cells = ["", "", ""] if side == "plain" else _difference(means, plain, margin)
            spread = np.std(list(means.values()), ddof=1) if len(means) > 1 else np.nan
            mean = np.mean(list(means.values())) if means else np.nan
            table.add_row(metric, side, str(len(means)), f"{mean:.1f}", *cells, f"{scatter:.1f}", f"{spread:.1f}")
    return table


def _of_common_epochs(rows: Sequence[Row]) -> list[Row]:
    """Up to the last epoch that every run has."""
    last: dict[tuple[str, int], int] = {}
    for row in rows:
        run = row["side"], row["state"]
        last[run] = max(last.get(run, 0), row["epoch"])
    return [row for row in rows if row["epoch"] <= min(last.values())]


def _means(rows: Sequence[Row], side: str, metric: str) -> tuple[dict[int, float], float]:
    """By state, in points; and the standard deviation over states of one epoch, mean of the same epochs' variances."""
    own = [row for row in rows if row["side"] == side]
    last = max((row["epoch"] for row in own), default=0)
    by_state: dict[int, list[float]] = {}
    for row in own:
        if row["epoch"] > last / 2:
            by_state.setdefault(row["state"], []).append(100 * row[metric])
    values = np.array(list(by_state.values()))
    scatter = float(np.sqrt(np.var(values, axis=0, ddof=1).mean())) if len(values) > 1 else float("nan")
    return {state: float(np.mean(found)) for state, found in by_state.items()}, scatter


def _difference(means: dict[int, float], plain: dict[int, float], margin: float) -> list[str]:
    """Paired by state."""
    differences = np.array([means[state] - plain[state] for state in means.keys() & plain.keys()])
    if len(differences) < 2:
        return ["", "", "too few states"]
    mean, error = differences.mean(), stats.sem(differences)
    reach = stats.t.ppf(0.95, len(differences) - 1) * error
    agrees = "yes" if abs(mean) + reach < margin else "not shown"
    return [f"{mean:+.2f}", f"{mean - reach:+.2f} {mean + reach:+.2f}", agrees]


def _read(file: Path) -> list[Row]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.is_file() else []


def _append(file: Path, rows: Sequence[Row]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as opened:
        opened.writelines(f"{json.dumps(row)}\n" for row in rows)


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
