"""The search space: dotted paths into an experiment, each with a range or a list of choices."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import optuna

from rdpp.config import ConfigError, flatten, require
from rdpp.experiment import ExperimentConfig


@dataclass(frozen=True)
class FloatRange:
    """Numbers from low to high, both included."""

    low: float
    """Least value."""
    high: float
    """Largest value."""
    kind: Literal["float"] = "float"
    """A range of numbers."""
    log: bool = False
    """Draw uniformly in the logarithm."""

    def __post_init__(self) -> None:
        _check_range(self.low, self.high, self.log)

    def suggest(self, trial: optuna.trial.BaseTrial, path: str) -> float:
        return trial.suggest_float(path, self.low, self.high, log=self.log)

    def samples(self) -> tuple[Any, ...]:
        """Values that show whether all of the range fits."""
        return (self.low, self.high)

    def contains(self, value: Any) -> bool:
        return isinstance(value, int | float) and self.low <= value <= self.high


@dataclass(frozen=True)
class IntRange:
    """Whole numbers from low to high, both included."""

    low: int
    """Least value."""
    high: int
    """Largest value."""
    kind: Literal["int"] = "int"
    """A range of whole numbers."""
    log: bool = False
    """Draw uniformly in the logarithm."""

    def __post_init__(self) -> None:
        _check_range(self.low, self.high, self.log)

    def suggest(self, trial: optuna.trial.BaseTrial, path: str) -> int:
        return trial.suggest_int(path, self.low, self.high, log=self.log)

    def samples(self) -> tuple[Any, ...]:
        """Values that show whether all of the range fits."""
        return (self.low, self.high)

    def contains(self, value: Any) -> bool:
        return isinstance(value, int) and self.low <= value <= self.high


@dataclass(frozen=True)
class Choice:
    """One of a list of values."""

    choices: tuple[Any, ...]
    """The values to choose from: text, numbers, true, false or null."""
    kind: Literal["choice"] = "choice"
    """A list of values."""

    def __post_init__(self) -> None:
        require(len(self.choices) > 0, "choices must list at least one value")
        plain = all(value is None or isinstance(value, bool | int | float | str) for value in self.choices)
        require(
            plain,
            f"choices must be plain values (text, numbers, true, false, null), got {list(self.choices)}",
        )

    def suggest(self, trial: optuna.trial.BaseTrial, path: str) -> Any:
        return trial.suggest_categorical(path, self.choices)

    def samples(self) -> tuple[Any, ...]:
        """Values that show whether all of the choices fit."""
        return self.choices

    def contains(self, value: Any) -> bool:
        return value in self.choices


Dimension = FloatRange | IntRange | Choice
Space = Mapping[str, Dimension]


def check_space(space: Space, base: ExperimentConfig) -> None:
    """Try the ends of every range and every choice on the experiment.

    Raises:
        ConfigError: a path that leads nowhere, a value that the experiment refuses, or one that lets other images
            judge a trial: then trials could not be compared.
    """
    require(len(space) > 0, "space must name at least one path, such as losses.ssot.weight")
    for path, dimension in space.items():
        for value in dimension.samples():
            try:
                changed = base.with_overrides({path: value})
            except ConfigError as error:
                raise ConfigError(f"space.{path}: {value!r} does not fit: {error}") from None
            same = _judges(changed) == _judges(base)
            require(same, f"space.{path}: {value!r} changes which images judge a trial; trials of one study share them")


def _judges(experiment: ExperimentConfig) -> tuple[str, float]:
    """Which images choose the epoch and judge the trial."""
    return experiment.evaluation.watched, experiment.evaluation.held_out_share


def suggest(space: Space, trial: optuna.trial.BaseTrial) -> dict[str, Any]:
    """One point of the space, by dotted path."""
    return {path: dimension.suggest(trial, path) for path, dimension in space.items()}


def base_point(space: Space, base: ExperimentConfig) -> dict[str, Any] | None:
    """The base experiment's own values, None where one of them lies outside the space."""
    values = flatten(base.to_mapping())
    point = {path: values.get(path) for path in space}
    return point if all(space[path].contains(value) for path, value in point.items()) else None


def _check_range(low: float, high: float, log: bool) -> None:
    require(math.isfinite(low) and math.isfinite(high), f"low and high must be finite, got {low} and {high}")
    require(low < high, f"low must be below high, got {low} and {high}")
    require(not log or low > 0, f"a logarithmic range must start above 0, got low {low}")
