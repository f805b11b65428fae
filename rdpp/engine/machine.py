"""What a run's last digits depend on besides its key: the machine, its threads, its libraries."""

import platform
from importlib.metadata import version

import torch

from rdpp.config import digest
from rdpp.engine.device import device_name
from rdpp.experiment import ExperimentConfig

_LIBRARIES = ("torch", "numpy", "numba", "geomloss", "scipy")


def machine_parts(experiment: ExperimentConfig) -> dict[str, str]:
    """What two runs with one key must share for their results to agree to the last digit.

    Args:
        experiment: resolved.
    """
    return {
        "device": device_name(torch.device(experiment.device)),
        "threads": str(experiment.threads),
        "compile": experiment.compile,
        "kernels": experiment.kernels,
        "feature_cache": str(experiment.feature_cache_gb > 0),
        "cpu": f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}",
        **{name: version(name) for name in _LIBRARIES},
    }


def machine_digest(experiment: ExperimentConfig) -> str:
    """Sixteen hexadecimal digits of `machine_parts`. It decides nothing: a finished run is reused in any case."""
    return digest(machine_parts(experiment))
