"""AblationConfig: variants of one experiment, from one YAML file."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rdpp.built_in import check_kind, find_file
from rdpp.config import ConfigError, choose, require
from rdpp.engine import resolve
from rdpp.experiment import HOLD_OUT, SELECT_ON_HELD_OUT, ExperimentConfig
from rdpp.yaml_file import read_yaml

_KEYS = ("name", "experiment", "set", "baseline", "variants")
_SHARED = ("data", "teacher", "seeds")


@dataclass(frozen=True)
class AblationConfig:
    """A matrix of variants x categories x seeds."""

    name: str
    """Name of the ablation, by which `rdpp compare` and `rdpp report` find it."""
    baseline: str
    """The variant that the others are compared with."""
    variants: Mapping[str, ExperimentConfig]
    """What each variant changes in the base experiment, by the variant's name: values nested or by dotted path."""

    def __post_init__(self) -> None:
        require(len(self.variants) >= 2, f"an ablation needs at least two variants, got {list(self.variants)}")
        choose(self.baseline, self.variants, "baseline")
        seeds = list(self.base.seeds)
        require(len(seeds) >= 2, f"an ablation needs at least two seeds to tell a difference from chance, got {seeds}")
        for name, variant in self.variants.items():
            for part in _SHARED:
                same = getattr(variant, part) == getattr(self.base, part)
                require(same, f"variants.{name} changes {part}; variants of one ablation share data, teacher and seeds")
            same = variant.evaluation.held_out_share == self.base.evaluation.held_out_share
            require(same, f"variants.{name} changes evaluation.hold_out; all variants train on the same images")

    @property
    def base(self) -> ExperimentConfig:
        """The baseline's experiment, for what all variants share."""
        return self.variants[self.baseline]

    @classmethod
    def from_yaml(cls, path: Path, changes: Mapping[str, Any] | None = None) -> "AblationConfig":
        """Read an ablation file.

        `experiment` is the path of a base experiment, relative to the file, or a built-in name; `set` holds values by
        dotted path that replace the base's in every variant, and `changes` are laid over these; `variants` gives each
        variant's own values, nested or by dotted path. Unless `set` says otherwise, epochs are chosen on held-out
        images (evaluation.selection), and the same images are held out in every variant.

        Raises:
            ConfigError: what a user can mend, in one line.
        """
        data = read_yaml(path)
        check_kind("ablation", data, path)
        for key in data:
            choose(str(key), _KEYS, f"key in {path}")
        for key in ("name", "experiment", "baseline"):
            require(isinstance(data.get(key), str), f"{path}: {key} is missing or not text")
        variants, overrides = data.get("variants", {}), data.get("set", {})
        for key, value in (("variants", variants), ("set", overrides)):
            require(isinstance(value, dict), f"{path}: {key} must be a mapping")
        base = ExperimentConfig.from_yaml(find_file("experiment", Path(data["experiment"]), path.parent))
        shared = {**SELECT_ON_HELD_OUT, "evaluation.hold_out": HOLD_OUT, **overrides, **(changes or {})}
        try:
            base = resolve(base.with_overrides(shared))
            built = {str(name): _variant(base, str(name), own) for name, own in variants.items()}
            return cls(data["name"], data["baseline"], built)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from None


def _variant(base: ExperimentConfig, name: str, own: Any) -> ExperimentConfig:
    require(own is None or isinstance(own, dict), f"variants.{name} must be a mapping of paths to values")
    try:
        return base.with_overrides({**(own or {}), "name": name})
    except ConfigError as error:
        raise ConfigError(f"variants.{name}: {error}") from None
