"""A Ray cluster: joined or started, and left at the end."""

import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rdpp.addresses import is_postgresql, shown
from rdpp.config import ConfigError, require
from rdpp.engine import code_digest
from rdpp.experiment import ExperimentConfig
from rdpp.stopping import handlers_kept
from rdpp.tracking.conventions.location import storage_url, tracking_uri, work_folder
from rdpp.workers.ray_members import ray_members

if TYPE_CHECKING:
    from types import ModuleType

    from rdpp.workers.ray_team import RayTeam

LOCAL = "local"
_OURS = ("RDPP_", "MLFLOW_", "PG")
"""Beginnings of the variables that workers are given: those of rdpp, of MLflow and of PostgreSQL's client."""
_STORE_BYTES = 200 * 2**20
"""Of a local cluster's object store: hardly anything goes through it."""


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
