"""A Ray cluster: joined or started, and who works there with what."""

import math
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rdpp.addresses import is_postgresql, shown
from rdpp.config import ConfigError, require
from rdpp.engine import code_digest
from rdpp.experiment import ExperimentConfig
from rdpp.stopping import handlers_kept
from rdpp.tracking.conventions.location import storage_url, tracking_uri, work_folder
from rdpp.workers.member import Member, check_counts

if TYPE_CHECKING:
    from types import ModuleType

    from rdpp.workers.ray_team import RayTeam

LOCAL = "local"
_OURS = ("RDPP_", "MLFLOW_", "PG")
"""Beginnings of the variables that workers are given: those of rdpp, of MLflow and of PostgreSQL's client."""
_STORE_BYTES = 200 * 2**20
"""Of a local cluster's object store: hardly anything goes through it."""


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


def ray_module() -> "ModuleType":
    """Ray.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import ray
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        raise ConfigError(
            "--ray needs Ray, which is not installed here; install it with: pip install 'rdpp[ray]'"
        ) from None
    return ray


@contextmanager
def ray_team(
    address: str, experiment: ExperimentConfig, storage: str | None, tracking: str | None, **wanted: Any
) -> Iterator["RayTeam"]:
    """The workers of a command on a cluster, which is joined while the block lasts.

    Args:
        address: see `joined`.
        experiment: resolved.
        storage: see `storage_url`.
        tracking: see `tracking_uri`.
        wanted: see `ray_members`.

    Raises:
        ConfigError: see `joined`, `ray_members` and `check_shared`.
    """
    storage, tracking = storage_url(storage), tracking_uri(tracking)
    with joined(address) as nodes:
        crew, demand = ray_members(experiment, nodes, **wanted)
        check_shared(storage, tracking, nodes, address)
        from rdpp.workers.ray_team import RayTeam, Surroundings  # now Ray is known to be installed

        files = not is_shared(storage, tracking)
        folder = str(work_folder(tracking).root) if files or address == LOCAL else None
        own = {name: value for name, value in os.environ.items() if name.startswith(_OURS)}
        variables = {**own, "RDPP_STORAGE": storage, "MLFLOW_TRACKING_URI": tracking}
        yield RayTeam(crew, demand, Surroundings(variables, folder, code_digest()), here_alone=files)


@contextmanager
def joined(address: str) -> Iterator[list[dict[str, Any]]]:
    """Be a driver of a cluster: of one that is started on this machine for `local`, which ends with the block.

    Gives:
        The nodes that live, as `ray.nodes()` has them.

    Raises:
        ConfigError: Ray is not installed, or the cluster cannot be joined.
    """
    if address == LOCAL:  # Ray reads these when it is imported
        os.environ.setdefault("RAY_AUTH_MODE", "token")
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # it listens on 127.0.0.1 alone, on any system
    with handlers_kept():  # Ray has one of its own for SIGTERM
        ray = ray_module()
        _init(ray, address)
    try:
        yield [node for node in ray.nodes() if node["Alive"]]
    finally:
        ray.shutdown()


def _init(ray: "ModuleType", address: str) -> None:
    local = {"include_dashboard": False, "object_store_memory": _STORE_BYTES} if address == LOCAL else {}
    try:
        ray.init(address=address, logging_level="error", **local)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError, ImportError) as error:
        reason = " ".join(shown(error).split())[:200]
        raise ConfigError(
            f"the Ray cluster {address} cannot be joined ({reason}); --ray local starts one on this machine, 'ray "
            "start --head' one that others join"
        ) from None


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


def check_shared(storage: str, tracking: str, nodes: Sequence[Mapping[str, Any]], address: str) -> None:
    """See that workers on these nodes can share what they know.

    Args:
        storage: address of Optuna's database, for the locks too.
        tracking: address of the MLflow store.
        nodes: as `ray.nodes()` gives them.
        address: of the cluster, as the user gave it.

    Raises:
        ConfigError: they are on several machines, and a file on one is to be shared.
    """
    if is_shared(storage, tracking):
        return
    here = {socket.gethostname(), "localhost"}
    require(
        len(nodes) == 1 and not address.startswith("ray://") and nodes[0]["NodeManagerHostname"] in here,
        f"the Ray cluster {address} has {len(nodes)} nodes, or is on another machine: its workers need a PostgreSQL "
        f"database and an MLflow server, and have {shown(storage)} and {shown(tracking)}; set RDPP_STORAGE (or "
        "--storage) and MLFLOW_TRACKING_URI (or --tracking-uri)",
    )


def is_shared(storage: str, tracking: str) -> bool:
    """Whether workers on several machines can use both."""
    return is_postgresql(storage) and tracking.startswith(("http://", "https://"))
