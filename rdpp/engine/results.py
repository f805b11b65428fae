"""What a network and a run come to."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from rdpp.data import Split
from rdpp.engine.spec import RunSpec
from rdpp.engine.thresholds import HELD_OUT, Thresholds, real_rates, take_thresholds
from rdpp.types import Prediction


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Metrics (0 to 1), the prediction they come from, and the images."""

    metrics: Mapping[str, float]
    prediction: Prediction
    split: Split

    @cached_property
    def thresholds(self) -> Thresholds:
        """Taken from its good images, for an evaluation on held-out ones: never from copies with drawn defects."""
        good = ~self.split.labels
        return take_thresholds(self.prediction.image_scores[good], self.prediction.anomaly_maps[good], HELD_OUT)


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a run comes to: the chosen epoch."""

    spec: RunSpec
    """As it was evaluated: its test files may have come after the run began."""
    epoch: int
    evaluation: Evaluation
    """On the test images."""
    held_out: Evaluation | None
    """On the held-out images, where the epochs were watched there."""
    audit: Mapping[int, Mapping[str, float]]
    """Metrics on the test images of every evaluated epoch; empty without an audit."""
    dead_terms: tuple[str, ...]
    """Weighted loss terms that never had a gradient above rounding when they were inspected."""
    epochs: int
    steps: int
    """Epochs and batches that were trained."""
    seconds: float

    @property
    def deciding(self) -> Evaluation:
        """The evaluation that may decide between runs: on the held-out images if there are some."""
        return self.held_out or self.evaluation

    @property
    def thresholds(self) -> Thresholds | None:
        """Of the chosen epoch; None where no images were held out."""
        return None if self.held_out is None else self.held_out.thresholds

    @property
    def real_rates(self) -> dict[str, float]:
        """What the thresholds do on the test images, see `rdpp.engine.thresholds.real_rates`; empty without them."""
        if self.thresholds is None:
            return {}
        on_test = self.evaluation.prediction
        labels = self.evaluation.split.labels
        return real_rates(self.thresholds, on_test.image_scores, on_test.anomaly_maps, labels)

    @property
    def selection_gap(self) -> dict[str, float]:
        """By metric: how much better the best epoch on the test images is than the chosen one; needs the audit."""
        names = [name for name in self.evaluation.metrics if "/" not in name] if self.audit else []
        return {name: max(m[name] for m in self.audit.values()) - self.evaluation.metrics[name] for name in names}
