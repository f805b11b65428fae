"""What a run needs and does not change: its teacher, its images, its length."""

import sys
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch

from rdpp import kernels
from rdpp.data import Split, held_out_rows, hold_out, load_test, load_train
from rdpp.engine.device import autocast, compiles, keep_freed_memory, to_device
from rdpp.engine.evaluation import evaluate_with
from rdpp.engine.events import RunStarted
from rdpp.engine.loader import DataLoader
from rdpp.engine.results import Evaluation
from rdpp.engine.seeding import Streams
from rdpp.engine.spec import RunSpec
from rdpp.engine.teacher_features import teacher_features
from rdpp.engine.teachers import shared_teacher
from rdpp.experiment import ExperimentConfig
from rdpp.models import ARCHITECTURES, Network, Teacher


@dataclass(frozen=True, kw_only=True)
class Setup:
    """A run with all that it works with loaded."""

    spec: RunSpec
    device: torch.device
    teacher: Teacher
    train: DataLoader
    watched: DataLoader
    """The images that epochs are evaluated on: held-out ones, or those of the test set."""
    held_out: Split | None
    steps_per_epoch: int
    steps: int

    @classmethod
    def of(cls, spec: RunSpec) -> "Setup":
        """Load teacher and images; the test images only where epochs are evaluated on them. Sets torch's threads.

        Raises:
            ConfigError: data or weights that cannot be used.
        """
        train, held_out = training_images(spec)
        watched = held_out if spec.experiment.evaluation.watched == "held_out" else None
        return cls.on(spec, train, watched or test_images(spec), held_out)

    @classmethod
    def on(cls, spec: RunSpec, train: Split, watched: Split, held_out: Split | None) -> "Setup":
        """The same on given images. Sets torch's threads.

        Raises:
            ConfigError: weights that cannot be used.
        """
        experiment = spec.experiment
        use_machine(experiment)
        device = torch.device(experiment.device)
        batch_size = experiment.training.batch_size
        steps_per_epoch = -(-len(train) // batch_size)
        steps = experiment.training.steps_of(spec.category.name, steps_per_epoch)
        compiled = compiles(experiment.compile, device, steps)
        teacher = shared_teacher(experiment.teacher, spec.seed, device, compiled=compiled)
        with autocast(device, experiment.precision):
            features = teacher_features(teacher, (train, watched), experiment.feature_cache_gb, batch_size)
        return cls(
            spec=spec,
            device=device,
            teacher=teacher,
            train=DataLoader(train, device, features[0]),
            watched=DataLoader(watched, device, features[1]),
            held_out=held_out,
            steps_per_epoch=steps_per_epoch,
            steps=steps,
        )

    @property
    def experiment(self) -> ExperimentConfig:
        """The run's experiment."""
        return self.spec.experiment

    @property
    def epochs(self) -> int:
        """Planned; the last may be cut short."""
        return -(-self.steps // self.steps_per_epoch)

    def network(self, streams: Streams) -> Network:
        """The network before its first step, its weights drawn from the run's generator for them."""
        network = Network(ARCHITECTURES[self.experiment.teacher.name], projection=self.experiment.projection)
        network.initialise(streams.weights)
        to_device(network, self.device).train()
        if compiles(self.experiment.compile, self.device, self.steps):
            network.compile(dynamic=False)
        return network

    def evaluate(self, network: Network, loader: DataLoader) -> Evaluation:
        """A network on a split."""
        return evaluate_with(self.experiment, self.teacher, network, loader)

    def started(self) -> RunStarted:
        """The event that tells of it."""
        return RunStarted(
            spec=self.spec,
            epochs=self.epochs,
            steps=self.steps,
            train=self.train.split,
            held_out=self.held_out,
            watched=self.experiment.evaluation.watched,
        )


def use_machine(experiment: ExperimentConfig) -> None:
    """Let this process use the threads and kernels of a resolved experiment, and keep the memory that it frees."""
    assert experiment.threads is not None, "resolved"
    torch.set_num_threads(experiment.threads)
    kernels.use(experiment.kernels)
    keep_freed_memory()


def training_images(spec: RunSpec) -> tuple[Split, Split | None]:
    """The images to train on, and those held out of them, None where none are.

    Raises:
        ConfigError: images that cannot be used, or too few to hold some out.
    """
    data, share = spec.experiment.data, spec.experiment.evaluation.held_out_share
    whole = load_train(spec.category, data.size, Path(data.cache), data.reading)
    return hold_out(whole, share) if share > 0 else (whole, None)


def test_images_now(spec: RunSpec) -> tuple[RunSpec, Split]:
    """The test images as they are now, and the run with these images. They may have arrived after the run began.

    Raises:
        ConfigError: there are none, or they cannot be used.
    """
    category = spec.category.with_test_files_of_now()
    now = RunSpec(experiment=spec.experiment, category=category)
    return now, test_images(now)


def test_images(spec: RunSpec) -> Split:
    """The test images as they were first seen.

    Raises:
        ConfigError: there are none, or they cannot be used.
    """
    data = spec.experiment.data
    return load_test(spec.category, data.size, Path(data.cache), data.reading)


def planned_epochs(spec: RunSpec) -> int:
    """Epochs of a run that does not stop early.

    Raises:
        ConfigError: where steps are set and the images cannot be counted.
    """
    experiment = spec.experiment
    epochs = experiment.training.epochs_of(spec.category.name)
    if epochs is not None:
        return epochs
    data, share = experiment.data, experiment.evaluation.held_out_share
    split = load_train(spec.category, data.size, Path(data.cache), data.reading)
    images = len(held_out_rows(split, share)[0]) if share > 0 else len(split)
    per_epoch = -(-images // experiment.training.batch_size)
    return -(-experiment.training.steps_of(spec.category.name, per_epoch) // per_epoch)


def peak_memory_mb(device: torch.device) -> float:
    """CUDA's peak since it was reset, or the process's."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return _most_resident_bytes() / 2**20


def _most_resident_bytes() -> int:
    """Of this process so far, as each system counts it."""
    if sys.platform == "win32":
        return psutil.Process().memory_info().peak_wset
    import resource  # not on Windows

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
