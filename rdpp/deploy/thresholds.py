"""`rdpp thresholds`: what a model's thresholds are, or new ones by cross-fitting."""

from collections.abc import Mapping
from typing import Any

from rdpp.config import ConfigError
from rdpp.deploy.source import Located, located
from rdpp.display.predictions import progress
from rdpp.display.thresholds import print_thresholds
from rdpp.engine import Checkpoint, Thresholds, cross_fitted, put_thresholds, read_checkpoint
from rdpp.tracking.conventions.artifacts import CHECKPOINT


def run_thresholds(
    source: str, folds: int | None, changes: Mapping[str, Any], tracking_uri: str | None, *, as_json: bool
) -> None:
    """Print the thresholds of a model; with folds, take new ones first and store them with its checkpoint.

    Raises:
        ConfigError: no model; no folds, where the model has no thresholds; or what `cross_fitted` objects to.
    """
    with located(source, tracking_uri) as found:
        checkpoint = read_checkpoint(found.path)
        if folds is None and checkpoint.thresholds is None:
            raise ConfigError(
                f"{source} has no thresholds, since its run held no images out; --folds 5 trains 5 more networks as it "
                "was trained and takes some"
            )
        thresholds = checkpoint.thresholds if folds is None else _taken(checkpoint, folds, changes)
        assert thresholds is not None
        if folds is not None:
            _store(found, checkpoint, thresholds)
    print_thresholds(thresholds, as_json=as_json)


def _taken(checkpoint: Checkpoint, folds: int, changes: Mapping[str, Any]) -> Thresholds:
    with progress(folds, "networks") as advance:

        def begin(number: int, setup: object) -> Any:
            if number:
                advance()
            return lambda event: None

        return cross_fitted(checkpoint, folds, changes, begin)


def _store(found: Located, checkpoint: Checkpoint, thresholds: Thresholds) -> None:
    """In the checkpoint's JSON file; of a run, in that of its artifacts."""
    put_thresholds(checkpoint, thresholds)
    if found.run_id is not None:
        assert found.store is not None
        found.store.client.log_artifact(found.run_id, str(checkpoint.description), CHECKPOINT)
