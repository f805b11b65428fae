"""RunSpec: a run before it is trained, and the key that identifies it once it is finished."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from rdpp.config import digest
from rdpp.data import Category, Reader, reader_at, scan
from rdpp.engine.resolving import resolve
from rdpp.engine.teachers import teacher_fingerprint
from rdpp.experiment import ExperimentConfig

METHOD = 2
"""Version of the method: raise it by hand when the same settings, images and teacher give other results."""


@dataclass(frozen=True, kw_only=True)
class Identity:
    """All that decides a run's result but for rounding, as digests.

    Two runs with one `key` are one run. Two runs with one `training` digest end with the same network: if their test
    files differ, it needs another evaluation only.
    """

    settings: str
    """The deciding settings, category and seed among them; see `ExperimentConfig.essence`."""
    train_files: str
    """Names and contents of the training images."""
    test_files: str | None
    """Names and contents of the test images and masks; None where they are not there yet."""
    teacher: str
    """The teacher's weights."""
    method: int = METHOD
    test_decides: bool = False
    """Whether the test files decide which epoch is chosen (selection `official`)."""

    @cached_property
    def training(self) -> str:
        """Sixteen hexadecimal digits of what decides the trained network and the chosen epoch."""
        parts = [self.settings, self.train_files, self.teacher, self.method]
        return digest([*parts, self.test_files] if self.test_decides else parts)

    @cached_property
    def key(self) -> str:
        """Sixteen hexadecimal digits of everything."""
        return digest([self.training, self.test_files])


@dataclass(frozen=True, kw_only=True)
class RunSpec:
    """One category with one seed of an experiment."""

    experiment: ExperimentConfig
    """Resolved, and narrowed to this run: its only category and seed, its epochs or steps as one number."""
    category: Category
    """The files. They are listed and hashed once, however many runs share this object."""

    @classmethod
    def of(cls, experiment: ExperimentConfig, category: str, seed: int) -> "RunSpec":
        """The run of an experiment on one category with one seed.

        Raises:
            ConfigError: an unknown category or device, a missing folder.
        """
        experiment = resolve(experiment)
        data = experiment.data
        files = scan(Path(data.root), category, data.layout, test=False)
        return cls(experiment=_narrowed(experiment, category, seed), category=files)

    @property
    def seed(self) -> int:
        """Seed of all the run's random numbers."""
        return self.experiment.seeds[0]

    @property
    def name(self) -> str:
        """`bolt-seed111`."""
        return f"{self.category.name}-seed{self.seed}"

    @cached_property
    def identity(self) -> Identity:
        """Digests of the settings, the files and the teacher, which is loaded for it.

        Test images that are there are hashed, not looked at; those that come later are hashed when they are evaluated.

        Raises:
            ConfigError: images or weights that cannot be used.
        """
        experiment, evaluation = self.experiment, self.experiment.evaluation
        here = evaluation.watched == "test" or self.category.has_test
        return Identity(
            settings=digest({**experiment.essence(), "teacher": experiment.teacher.name}),
            train_files=self.category.train_fingerprint,
            test_files=self.category.test_fingerprint if here else None,
            teacher=teacher_fingerprint(experiment.teacher, self.seed, experiment.device),
            test_decides=evaluation.selection == "official",
        )


def grid(experiment: ExperimentConfig) -> list[RunSpec]:
    """Every category with every seed: all categories with the first seed, then with the next.

    Raises:
        ConfigError: as `RunSpec.of`.
    """
    return grids([experiment])[0]


def grids(experiments: Sequence[ExperimentConfig]) -> list[list[RunSpec]]:
    """The grid of each experiment. Experiments are resolved. Each category is one object for all of them, whose files
    are listed when they are first asked for: see `prepare`."""
    categories: dict[tuple[str, str | Reader, str], Category] = {}

    def category_of(experiment: ExperimentConfig, name: str) -> Category:
        data = experiment.data
        what = (data.root, data.layout, name)
        if what not in categories:
            root = Path(data.root)
            categories[what] = Category(name, root, reader_at(root, data.layout))
        return categories[what]

    return [
        [
            RunSpec(experiment=_narrowed(whole, name, seed), category=category_of(whole, name))
            for seed in whole.seeds
            for name in whole.data.categories
        ]
        for whole in map(resolve, experiments)
    ]


def _narrowed(experiment: ExperimentConfig, category: str, seed: int) -> ExperimentConfig:
    training = experiment.training
    if training.epochs is None:
        training = dataclasses.replace(training, steps=training.steps_of(category, 1))
    else:
        training = dataclasses.replace(training, epochs=training.epochs_of(category))
    data = dataclasses.replace(experiment.data, categories=(category,))
    return dataclasses.replace(experiment, data=data, training=training, seeds=(seed,))
