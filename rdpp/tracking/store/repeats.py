"""What a run that goes on from another machine's state has in MLflow already."""

from collections.abc import Sequence

from mlflow.entities import Run

from rdpp.tracking.conventions.names import to_key
from rdpp.tracking.store.mlflow_store import Store

Point = tuple[str, float, int]
"""Name, value and step."""


class Repeats:
    """Passes over what is there: the other machine had come further than the state from which the run goes on.

    On one machine the names of records see to that; see `rdpp.tracking.outbox.outboxes`.
    """

    def __init__(self, store: Store, run: Run) -> None:
        """Reads what there is of a run."""
        self._steps = {
            key: {point.step for point in store.client.get_metric_history(run.info.run_id, key)}
            for key in run.data.metrics
        }

    def without(self, points: Sequence[Point]) -> list[Point]:
        """Those points that are new."""
        return [(name, value, step) for name, value, step in points if step not in self._steps.get(to_key(name), ())]
