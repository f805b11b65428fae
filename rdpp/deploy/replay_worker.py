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


def final_values(result: Any) -> dict[str, float]:
    """What a run logs at its end, by the names in MLflow; undefined values are left out.

    Args:
        result: a `rdpp.engine.Result`.
    """
    values = {f"chosen/{name}": value for name, value in result.evaluation.metrics.items()}
    if result.held_out is not None:
        of_held_out = {name: value for name, value in result.held_out.metrics.items() if "/" not in name}
        values |= {f"chosen/held_out/{name}": value for name, value in of_held_out.items()}
    values |= {f"selection_gap/{name}": value for name, value in result.selection_gap.items()}
    values |= {"chosen_epoch": result.epoch, "epochs": result.epochs, "steps": result.steps}
    return {name: float(value) for name, value in values.items() if math.isfinite(value)}


def train_again(configuration: Any, changes: dict[str, Any], observers: Sequence[Any] = ()) -> dict[str, float]:
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
