"""`rdpp ablate`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rdpp.ablation.config import AblationConfig
from rdpp.ablation.run import matrix, missing, run_ablation
from rdpp.display.console import ConsoleObserver
from rdpp.engine import Event, RunStarted
from rdpp.runs import TakenOver
from rdpp.tracking.store import Store
from rdpp.tracking.tree import MlflowTree


def ablate(file: Path, changes: Mapping[str, Any], tracking_uri: str | None, *, again: bool = False) -> str:
    """Run what is missing of an ablation file's matrix; with `again` all of it.

    Returns:
        The id of its MLflow run.

    Raises:
        ConfigError: what a user can mend.
    """
    ablation = AblationConfig.from_yaml(file, changes)
    whole = matrix(ablation)
    with MlflowTree(store=Store(tracking_uri)) as tree, ConsoleObserver(len(whole)) as console:
        done = len(whole) - len(missing(whole, tree))
        console.line(
            f"ablation {ablation.name}: {done} of {len(whole)} runs done; "
            f"{len(ablation.variants)} variants, baseline {ablation.baseline}"
        )

        def show_variant(event: Event | TakenOver) -> None:
            if isinstance(event, RunStarted | TakenOver):
                console.prefix = f"{event.spec.experiment.name} "

        return run_ablation(ablation, whole, tree, [show_variant, console], again=again)
