"""Trains a recorded run once more, and gives its final values. Nothing is written to MLflow.

As a program it runs in a process of its own, also with the package as it was at an earlier commit. So it imports
nothing but what that package has always had, and only when it is needed.
"""

import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def final_values(result: Any) -> dict[str, Any]:
    """What a run comes to, without undefined values: the arguments of
    `rdpp.tracking.conventions.metric_names.final_metrics`.

    Args:
        result: a `rdpp.engine.Result`.
    """
    held_out = {} if result.held_out is None else result.held_out.metrics
    of_images = {"test": result.evaluation.metrics, "held_out": held_out, "gap": result.selection_gap}
    defined = {name: {k: float(v) for k, v in of.items() if math.isfinite(v)} for name, of in of_images.items()}
    return {**defined, "epoch": result.epoch, "epochs": result.epochs, "steps": result.steps}


def train_again(configuration: Any, changes: dict[str, Any], observers: Sequence[Any] = ()) -> dict[str, Any]:
    """Train the only run of a resolved configuration, and give its final values.

    Args:
        configuration: plain data, as a run recorded it.
        changes: overrides by dotted path.
        observers: of the engine.

    Raises:
        ConfigError: data or settings that cannot be used.
    """
    from rdpp.engine import RunSpec, train
    from rdpp.experiment import ExperimentConfig

    experiment = ExperimentConfig.from_mapping(configuration, "experiment.yaml").with_overrides(changes)
    (category,), (seed,) = experiment.data.categories, experiment.seeds
    return final_values(train(RunSpec.of(experiment, category, seed), observers=observers))


def main(folder: Path) -> None:
    """Do what `request.json` in a folder says, and write `answer.json` there."""
    import rdpp

    request = json.loads((folder / "request.json").read_text())
    values = train_again(request["configuration"], request["changes"])
    answer = {"package": str(Path(rdpp.__file__).parent), "values": values}
    (folder / "answer.json").write_text(json.dumps(answer))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
