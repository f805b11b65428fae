"""ExperimentConfig: everything that decides the result of a run, from one YAML file.

A file is complete, or the difference from one named `base` beside it. null switches a part off.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml

from rdpp.built_in import check_kind
from rdpp.config import ConfigError, Registered, choose, decode, encode, require
from rdpp.data import AUTO, DEFAULT_READER, MAX_MEGAPIXELS, READERS, Fit, Folder, Reader, Reading
from rdpp.interval import Interval
from rdpp.losses import LOSSES, Distillation, Loss
from rdpp.models import TeacherConfig
from rdpp.noise import NOISES, Noise
from rdpp.types import Precision
from rdpp.yaml_file import merge, read_yaml

HOLD_OUT = 0.2
"""Share of the good training images held out by default."""
SELECT_ON_HELD_OUT = {"evaluation.selection": "held_out"}
"""Overrides that sweeps and ablations lay over their base experiment, unless they say otherwise: choices between
epochs and between trials do not look at the test set."""
_ASIDE = (
    "name",
    "device",
    "threads",
    "compile",
    "kernels",
    "feature_cache_gb",
    "checkpoint_every",
    "state",
    "keep",
    "heatmaps",
    "keep_maps",
    "strict",
)
"""What decides no result but for rounding."""
_PLACES = ("root", "cache", "max_megapixels")
"""Keys of `data` that decide no result."""
_LATER = (("data", "folder"), ("training", "average"))
"""Keys that came later. Where they are null they are no part of the essence: runs from before them keep their key."""
EPOCHS = 200  # RD4AD
STRIDE = 32  # of the bottleneck's embedding; other image sides break the student's sizes


@dataclass(frozen=True)
class DataConfig:
    """These keys say which images are used, and how they are read."""

    root: str
    """Folder of the categories; a relative path starts at the working directory."""
    reader: str = DEFAULT_READER
    """Layout of folders and files: a name in `rdpp.data.READERS`; `auto` recognises it."""
    folder: Folder | None = None
    """Where the images lie, for `reader: folder` alone."""
    categories: tuple[str, ...] = ()
    """The categories to use; empty: every category in root."""
    image_size: int | tuple[int, ...] = 256  # RD4AD
    """Images are resized to this: a side, or [height, width], in pixels; multiples of 32."""
    fit: Fit = "stretch"  # released code
    """`stretch`: images are stretched to image_size. `pad`: they keep their aspect, and what they leave of image_size
    repeats their border; it is no part of anomaly maps, scores and metrics."""
    white: float | None = None
    """The value that is white in files of more than 8 bits, such as 4095 where a camera uses 12 bits of 16; null: the
    type's own (16 bits and 32-bit integers 65535, floating point 1)."""
    mask_threshold: float | None = None
    """Share of white from which on a mask's pixel is defective, where the mask has more than two values; null: 0.5 for
    more than 16 values (an antialiased mask), else all values but 0 (labels)."""
    max_megapixels: float = MAX_MEGAPIXELS
    """Larger image files are refused: a small file can unfold to an image that fills the memory."""
    cache: str = "~/.cache/rdpp"
    """Folder for the decoded and resized images (0.75 MB an image of 256 x 256)."""

    def __post_init__(self) -> None:
        require(self.white is None or self.white > 0, f"white must be above 0, got {self.white}")
        threshold = self.mask_threshold
        require(
            threshold is None or 0 < threshold <= 1, f"mask_threshold must be above 0 and at most 1, got {threshold}"
        )
        twice = sorted(name for name, count in Counter(self.categories).items() if count > 1)
        require(not twice, f"categories must differ, got {', '.join(twice)} more than once")
        require(self.max_megapixels > 0, f"max_megapixels must be above 0, got {self.max_megapixels}")
        choose(self.reader, (AUTO, *READERS), "reader")
        require(
            self.folder is None or self.reader in (AUTO, "folder"),
            f"folder is for reader: folder, got reader: {self.reader}; set reader to folder, or folder to null",
        )
        size = self.size
        require(len(size) == 2, f"image_size must be a side or [height, width], got {list(size)}")
        near = [max(STRIDE, round(s / STRIDE) * STRIDE) for s in size]
        require(
            list(size) == near,
            f"image_size must be multiples of {STRIDE}, got {list(size)}; the nearest is {near}",
        )

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        return (self.image_size, self.image_size) if isinstance(self.image_size, int) else self.image_size  # type: ignore[return-value]

    @property
    def layout(self) -> str | Reader:
        """The reader with its settings, or its name where it has none."""
        return Folder() if self.reader == "folder" and self.folder is None else self.folder or self.reader

    @property
    def reading(self) -> Reading:
        """How files are read."""
        return Reading(self.white, self.mask_threshold, self.fit, self.max_megapixels)


@dataclass(frozen=True)
class OptimizerConfig:
    """Adam, with one learning rate for the projection and one for bottleneck and student."""

    projection_lr: float = 1e-3  # released code
    """Learning rate of the projection."""
    restoration_lr: float = 5e-3  # RD4AD, released code
    """Learning rate of bottleneck and student."""
    betas: tuple[float, ...] = (0.5, 0.999)  # RD4AD, released code
    """Adam's two decay rates, of the gradient's mean and of its square."""

    def __post_init__(self) -> None:
        for name, rate in (("projection_lr", self.projection_lr), ("restoration_lr", self.restoration_lr)):
            require(rate > 0, f"{name} must be above 0, got {rate}")
        good = len(self.betas) == 2 and all(0 <= b < 1 for b in self.betas)
        require(good, f"betas must be two numbers of at least 0 and below 1, got {list(self.betas)}")


@dataclass(frozen=True)
class TrainingConfig:
    """These keys say how long a run trains, and how many images make an update."""

    epochs: int | Mapping[str, int] | None = None
    """Epochs of a run: one number for all categories, or one by category with a `default` for the others. null: as many
    as `steps` come to, or 200 where `steps` is null too."""
    steps: int | Mapping[str, int] | None = None
    """Batches of a run, instead of epochs: one number, or one by category with a `default`. The last epoch is cut to
    fit."""
    batch_size: int = 16  # RD4AD
    """Images in a batch."""
    accumulate: int = 2  # released code, since 2023-12-07
    """So many batches give their gradients to one update. Batches left over at an epoch's end make an update of their
    own."""
    reduction: Literal["sum", "mean"] = "sum"  # released code
    """Whether the gradients of those batches are summed or averaged. Adam divides the scale out again, so the two
    differ by its epsilon only."""
    average: float | None = None
    """Decay of a moving average of weights and BatchNorm statistics over the updates: above 0, below 1; 0.95 averages
    about the last 20 updates. The averaged network is the one that is evaluated, chosen and kept. null: none."""

    def __post_init__(self) -> None:
        require(
            self.epochs is None or self.steps is None,
            f"epochs {self.epochs} and steps {self.steps} exclude each other; set one of them to null, such as "
            "training.epochs=null",
        )
        if self.epochs is None and self.steps is None:
            object.__setattr__(self, "epochs", EPOCHS)
        for unit, length in (("epochs", self.epochs), ("steps", self.steps)):
            by_category = length if isinstance(length, Mapping) else {"default": 1 if length is None else length}
            require("default" in by_category, f"{unit} by category need a `default` entry for the other categories")
            for name, number in by_category.items():
                require(number >= 1, f"{unit} must be at least 1, got {number} for {name}")
        require(self.batch_size >= 1, f"batch_size must be at least 1, got {self.batch_size}")
        require(self.accumulate >= 1, f"accumulate must be at least 1, got {self.accumulate}")
        average = self.average
        require(average is None or 0 < average < 1, f"average must be above 0 and below 1, or null, got {average}")

    def epochs_of(self, category: str) -> int | None:
        """Epochs for this category; None where steps are set."""
        return _of_category(self.epochs, category)

    def steps_of(self, category: str, steps_per_epoch: int) -> int:
        """Batches of a whole run on this category."""
        epochs = self.epochs_of(category)
        steps = _of_category(self.steps, category) if epochs is None else epochs * steps_per_epoch
        assert steps is not None
        return steps


def _of_category(length: int | Mapping[str, int] | None, category: str) -> int | None:
    return length.get(category, length["default"]) if isinstance(length, Mapping) else length


@dataclass(frozen=True)
class EvaluationConfig:
    """These keys say how a trained network is scored, and which epoch counts."""

    selection: Literal["last", "official", "held_out"] = "last"
    """`last`: the last epoch. `official`: the epoch with the best mean of image AUROC, pixel AUROC and per-image
    PRO on the TEST set, as in the released code; it flatters the result. `held_out`: the epoch with the best mean of
    image AUROC, pixel AUROC and AU-PRO on good training images held out, and copies of them with drawn defects."""
    hold_out: float | None = None
    """Share of the good training images that is held out (at least 8 of them); null: 0.2 for selection held_out,
    else 0. Where some are held out, epochs are watched there, and the test images are read once, at the end."""
    audit: bool = False
    """Evaluate every evaluated epoch on the test set too, after all choices are made: it shows how much a choice on the
    test set would have gained. Until then each of these epochs' networks lies on disk."""
    every: int = 1
    """Every so many epochs the network is evaluated; the last epoch is always evaluated."""
    patience: int | None = None
    """A run stops after so many evaluations in a row without a better epoch; for selection held_out alone."""
    sigma: float = 4.0  # RD4AD
    """Standard deviation of the Gaussian that smooths the anomaly map, in pixels; 0 for none."""

    def __post_init__(self) -> None:
        share = self.held_out_share
        require(0 <= share <= 0.5, f"hold_out must lie between 0 and 0.5, got {share}")
        require(
            share > 0 or self.selection != "held_out",
            "selection held_out needs held-out images; set hold_out above 0, or selection: last",
        )
        require(self.every >= 1, f"every must be at least 1, got {self.every}")
        require(self.patience is None or self.patience >= 1, f"patience must be at least 1, got {self.patience}")
        require(
            self.patience is None or self.selection == "held_out",
            f"patience goes by held-out images, not with selection {self.selection}; set evaluation.selection to "
            "held_out, or evaluation.patience to null",
        )
        require(self.sigma >= 0, f"sigma must be at least 0, got {self.sigma}")

    @property
    def held_out_share(self) -> float:
        """hold_out with its default filled in."""
        if self.hold_out is None:
            return HOLD_OUT if self.selection == "held_out" else 0.0
        return self.hold_out

    @property
    def watched(self) -> Literal["test", "held_out"]:
        """Which images the epochs are evaluated on."""
        return "held_out" if self.held_out_share > 0 and self.selection != "official" else "test"


@dataclass(frozen=True)
class ExperimentConfig:
    """One experiment: categories x seeds, each a run of its own."""

    name: str
    """Name of the experiment, and of the parent run in MLflow."""
    data: DataConfig
    """Which images, and how they are read."""
    teacher: TeacherConfig = TeacherConfig()
    """The frozen network whose features the student learns to restore."""
    projection: bool = True
    """Whether the teacher's features pass the projection; false: plain reverse distillation (RD4AD)."""
    noise: Annotated[Noise | None, Registered(NOISES)] = None
    """The pseudo-anomaly that the losses which need one are trained with; null: none."""
    losses: Annotated[Mapping[str, Loss], Registered(LOSSES)] = field(
        default_factory=lambda: {"distillation": Distillation()}
    )
    """The loss terms that are on, by name, each with its own keys; null switches a term off."""
    optimizer: OptimizerConfig = OptimizerConfig()
    """Learning rates and betas of Adam."""
    training: TrainingConfig = TrainingConfig()
    """How long a run trains, and in what portions."""
    evaluation: EvaluationConfig = EvaluationConfig()
    """How a trained network is scored, and which epoch counts."""
    seeds: tuple[int, ...] = (111,)  # released code
    """Each category is trained once with each seed; a seed decides all random numbers of its run."""
    device: str = "auto"
    """`auto` (the first GPU, else the CPU), `cpu`, `cuda` or `cuda:N`."""
    precision: Precision = "fp32"
    """What convolutions compute in; losses, norms' statistics, weights and maps are float32 always. bf16 is for
    GPUs: on most CPUs it is slower than fp32."""
    compile: Literal["auto", "on", "off"] = "auto"
    """Whether torch.compile prepares teacher and network, which takes a minute or two. auto: for long runs on a GPU;
    on a CPU it was measured to gain nothing."""
    kernels: Literal["auto", "off"] = "auto"
    """Whether this package's own kernels (`rdpp/kernels`) compute what they are faster at than torch; off: torch does,
    to see whether a result hangs on them. Their rounding errors are up to ten times torch's."""
    threads: int | None = None
    """CPU threads of torch; null: all cores. It is part of the configuration because the rounding of sums depends on
    it."""
    feature_cache_gb: float = 4.0
    """Memory (of the device) that the teacher's features of clean images may take, in GB, so that they are computed
    once and not in every epoch: 1.8 MB an image of 256 x 256 for ResNet18, 7.3 MB for WideResNet50-2; 0 for none."""
    checkpoint_every: str = "auto"
    """How often a run's state is saved, from which it goes on after its process died: `10 min`, `2 epochs`, `50
    batches`. auto: so that saving takes under a hundredth of the time."""
    state: Literal["local", "tracking"] = "local"
    """Where states are kept: on this machine's disk alone, or also with the run in MLflow, so that another machine
    that does not see this disk can go on. A state has three times the size of a checkpoint: 0.2 GB with ResNet18."""
    keep: Literal["none", "last", "chosen"] = "chosen"
    """Which epoch's checkpoint is kept with the run."""
    heatmaps: int = 3
    """Pictures logged of each kind: worst misses, worst false alarms, typical hits; 0 for none."""
    keep_maps: bool = False
    """Whether the anomaly maps of the test images are stored with the run (float32, 0.25 MB an image of 256 x 256),
    for `rdpp rescore` and `rdpp report`."""
    strict: bool = False
    """Whether a weighted loss term without a gradient stops the run, instead of a warning."""

    def __post_init__(self) -> None:
        require(len(self.seeds) > 0, "seeds must name at least one seed")
        require(min(self.seeds) >= 0, f"seeds must be at least 0, got {list(self.seeds)}")
        require(len(set(self.seeds)) == len(self.seeds), f"seeds must differ, got {list(self.seeds)}")
        require(self.threads is None or self.threads >= 1, f"threads must be at least 1, got {self.threads}")
        require(self.feature_cache_gb >= 0, f"feature_cache_gb must be at least 0, got {self.feature_cache_gb}")
        Interval.parse(self.checkpoint_every, "checkpoint_every")
        require(self.heatmaps >= 0, f"heatmaps must be at least 0, got {self.heatmaps}")
        require(bool(self.terms), "losses must have at least one term with a weight above 0, such as distillation")
        noise = self.noise is not None
        has = {"projection": self.projection, "noise": noise, "noisy_student": noise}
        for name, term in self.terms.items():
            for part in term.needs:
                require(
                    has[part],
                    f"losses.{name} needs the {part}; switch {part} on, or set losses.{name} to null",
                )

    def essence(self) -> dict[str, Any]:
        """All that decides results but for rounding, as plain data: without the name, the place of files, the machine
        (device, threads), and what is only kept or shown."""
        data = self.to_mapping()
        for key in _ASIDE:
            del data[key]
        for key in _PLACES:
            del data["data"][key]
        for section, key in _LATER:
            if data[section][key] is None:
                del data[section][key]
        return data

    @property
    def terms(self) -> dict[str, Loss]:
        """The losses that train: set, with a weight above 0."""
        return {name: term for name, term in self.losses.items() if term.weight > 0}

    def needs(self, part: str) -> bool:
        """Whether a term that trains names this part in its `needs`."""
        return any(part in term.needs for term in self.terms.values())

    @classmethod
    def from_yaml(cls, path: Path) -> "ExperimentConfig":
        """Read a file and its base.

        Raises:
            ConfigError: no such file, not YAML, a sweep or an ablation, or what `decode` objects to.
        """
        data = read_yaml(path)
        check_kind("experiment", data, path)
        return cls.from_mapping(data, str(path))

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any], source: str) -> "ExperimentConfig":
        """Decode plain data, naming its source in errors."""
        try:
            return decode(cls, mapping)
        except ConfigError as error:
            raise ConfigError(f"{source}: {error}") from None

    def to_mapping(self) -> dict[str, Any]:
        """Plain data from which `from_mapping` builds an equal configuration."""
        return encode(self)

    def to_yaml(self) -> str:
        """The complete configuration as a file of its own."""
        return yaml.safe_dump(self.to_mapping(), sort_keys=False)

    def with_overrides(self, overrides: Mapping[str, Any]) -> "ExperimentConfig":
        """A copy with values replaced by dotted path, such as {"losses.ssot.weight": 0.3}.

        Raises:
            ConfigError: an unknown path or a value that does not fit.
        """
        data = self.to_mapping()
        for path, value in overrides.items():
            change: Any = value
            for key in reversed(str(path).split(".")):
                change = {key: change}
            data = merge(data, change)
        return decode(type(self), data)
