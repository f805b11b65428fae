"""Who works with what: devices, threads and memory divided among workers."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from rdpp.config import require
from rdpp.engine import RunSpec, resolve_device
from rdpp.experiment import ExperimentConfig


@dataclass(frozen=True)
class Member:
    """One worker and its share of the machine."""

    number: int
    """From 1."""
    device: str
    threads: int
    """CPU threads of torch."""
    feature_cache_gb: float

    def fit(self, experiment: ExperimentConfig) -> ExperimentConfig:
        """A resolved experiment as this worker runs it: nothing that decides results changes but for rounding."""
        return dataclasses.replace(
            experiment, device=self.device, threads=self.threads, feature_cache_gb=self.feature_cache_gb
        )

    def fit_spec(self, spec: RunSpec) -> RunSpec:
        """The same of a run."""
        return dataclasses.replace(spec, experiment=self.fit(spec.experiment))


def members(
    experiment: ExperimentConfig,
    *,
    workers: int | None = None,
    devices: Sequence[str] | None = None,
    per_device: int | None = None,
) -> list[Member]:
    """The workers of a command. The experiment's `threads` and `feature_cache_gb` are the machine's: they are divided.

    Args:
        experiment: resolved.
        workers: how many; None: one, or `per_device` on each device.
        devices: they are dealt out to the workers in turn; None: every GPU if the experiment computes on one and
            several workers are wanted, else the experiment's device.
        per_device: workers on each device.

    Raises:
        ConfigError: numbers below 1, devices that are not there.
    """
    check_counts(workers, per_device)
    several = (workers or 1) > 1
    names = [str(resolve_device(name)) for name in devices or _all_like(experiment.device, several=several)]
    require(len(set(names)) == len(names), f"--devices names a device twice: {', '.join(names)}")
    count = workers or len(names) * (per_device or 1)
    assert experiment.threads is not None, "resolved"
    threads, gigabytes = max(1, experiment.threads // count), experiment.feature_cache_gb / count
    return [Member(i + 1, names[i % len(names)], threads, gigabytes) for i in range(count)]


def check_counts(workers: int | None, per_device: int | None) -> None:
    """Raise ConfigError for numbers below 1, or two that both say how many workers there are."""
    require(workers is None or workers >= 1, f"--workers must be at least 1, got {workers}")
    require(per_device is None or per_device >= 1, f"--workers-per-device must be at least 1, got {per_device}")
    require(
        workers is None or per_device is None,
        f"--workers {workers} and --workers-per-device {per_device} both say how many; give one of them",
    )


def _all_like(device: str, *, several: bool) -> list[str]:
    """Every GPU where several workers are wanted on GPUs."""
    if several and device == "cuda:0":
        return [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    return [device]
