"""Who works on a Ray cluster with what. Needs no Ray."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rdpp.config import require
from rdpp.experiment import ExperimentConfig
from rdpp.workers.member import Member, check_counts


@dataclass(frozen=True)
class Demand:
    """What Ray sets aside for one worker."""

    cpus: float
    gpus: float

    def fits(self, resources: Mapping[str, float]) -> int:
        """How many such workers a node with these resources holds."""
        parts = [resources.get("CPU", 0.0) / self.cpus]
        if self.gpus:
            parts.append(resources.get("GPU", 0.0) / self.gpus)
        return math.floor(min(parts) + 1e-6)  # 1 / 3 of a GPU three times is a GPU

    def __str__(self) -> str:
        gpus = f"{self.gpus:g} GPU and " if self.gpus else ""
        return f"{gpus}{self.cpus:g} CPU"


def ray_members(
    experiment: ExperimentConfig,
    nodes: Sequence[Mapping[str, Any]],
    *,
    workers: int | None = None,
    devices: Sequence[str] | None = None,
    per_device: int | None = None,
) -> tuple[list[Member], Demand]:
    """The workers on a cluster, and what each needs.

    On CPUs a worker has the experiment's `threads`. On GPUs it has its share of the CPUs that stand beside them, at
    most so many. `feature_cache_gb` is a node's: the workers that fit on one divide it.

    Args:
        experiment: resolved.
        nodes: as `ray.nodes()` gives them.
        workers: how many; None: as many as fit.
        devices: `cpu` or `cuda`; None: as the experiment says.
        per_device: workers on each GPU.

    Raises:
        ConfigError: numbers below 1, other devices, or no node has room for a worker.
    """
    check_counts(workers, per_device)
    require(
        devices is None or list(devices) in (["cpu"], ["cuda"]),
        f"--devices {','.join(devices or [])} cannot be given with --ray, which says who has which GPU; choices: cpu, "
        "cuda",
    )
    on_gpu = devices == ["cuda"] if devices else experiment.device.startswith("cuda")
    require(
        on_gpu or per_device is None, "--workers-per-device with --ray is of GPUs; give --workers, or --devices cuda"
    )
    assert experiment.threads is not None, "resolved"
    resources = [node["Resources"] for node in nodes]
    demand = _of_gpu(experiment.threads, resources, per_device or 1) if on_gpu else Demand(experiment.threads, 0)
    fitting = [demand.fits(of_node) for of_node in resources]
    require(
        workers is not None or sum(fitting) > 0,
        f"no node of the Ray cluster has {demand} for a worker; {_remedy(resources, on_gpu=on_gpu)}, or wait for a "
        "node with --workers N",
    )
    count = workers or sum(fitting)
    on_one = max(1, min(count, max(fitting, default=1)))
    device = "cuda:0" if on_gpu else "cpu"  # Ray shows a worker its own GPU alone
    gigabytes = experiment.feature_cache_gb / on_one
    return [Member(i + 1, device, int(demand.cpus), gigabytes) for i in range(count)], demand


def _of_gpu(threads: int, resources: Sequence[Mapping[str, float]], per_device: int) -> Demand:
    shares = [r.get("CPU", 0.0) / (r["GPU"] * per_device) for r in resources if r.get("GPU")]
    return Demand(max(1, min([threads, *map(int, shares)])), 1 / per_device)


def _remedy(resources: Sequence[Mapping[str, float]], *, on_gpu: bool) -> str:
    if on_gpu:
        return "train on CPUs with --devices cpu"
    most = int(max((r.get("CPU", 0.0) for r in resources), default=0))
    return f"the largest has {most}: give --set threads={max(1, most)}"
