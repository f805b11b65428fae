"""`rdpp ablate`: run what is missing and say what it comes to."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rdpp.ablation.config import AblationConfig
from rdpp.ablation.run import matrix, missing, run_ablation
from rdpp.engine import Event, RunStarted
from rdpp.tracking import ConsoleObserver, Store


def ablate(file: Path, changes: Mapping[str, Any], tracking_uri: str | None) -> str:
    """Run the missing cells of an ablation file.

    Returns:
        The id of its MLflow run.

    Raises:
        ConfigError: what a user can mend.
    """
    ablation = AblationConfig.from_yaml(file, changes)
    store = Store(tracking_uri)
    todo, whole = missing(ablation, store), matrix(ablation)
    with ConsoleObserver(len(todo)) as console:
        console.line(
            f"ablation {ablation.name}: {len(whole) - len(todo)} of {len(whole)} runs done; "
            f"{len(ablation.variants)} variants, baseline {ablation.baseline}"
        )

        def show_variant(event: Event) -> None:
            if isinstance(event, RunStarted):
                console.prefix = f"{event.experiment.name} "

        return run_ablation(ablation, store, [show_variant, console])
