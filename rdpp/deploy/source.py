"""Where a trained network is: on disk, with a run in MLflow, or under a name in MLflow's registry."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mlflow.exceptions import MlflowException

from rdpp.addresses import shown
from rdpp.config import ConfigError
from rdpp.tracking.reading.checkpoints import downloaded, is_run_id, leaves
from rdpp.tracking.store.mlflow_store import Store

_ALIAS = re.compile(r"(?:models:/)?([^/@]+)@([^/@]+)")
_VERSION = re.compile(r"(?:models:/)?([^/@]+)/(\d+)")


@dataclass(frozen=True)
class Located:
    """A checkpoint that was found."""

    path: Path
    """Its folder or one of its files; of a run, a copy that goes when the block ends."""
    run_id: str | None = None
    """The MLflow run that it belongs to."""
    store: Store | None = None
    """Where that run is."""


@contextmanager
def located(source: str | Path, tracking_uri: str | None) -> Iterator[Located]:
    """The checkpoint that a source names, as long as the block lasts.

    Args:
        source: the path of a checkpoint (its folder or one of its files), an MLflow run id (of one run, or of a parent
            with one run below it), or a registered model as `NAME@ALIAS` or `NAME/VERSION`. A path that exists counts
            first.
        tracking_uri: of the MLflow store.

    Raises:
        ConfigError: nothing of that name, or no checkpoint there.
    """
    path, name = Path(source), str(source)
    if path.exists():
        yield Located(path)
        return
    registered = _ALIAS.fullmatch(name) or _VERSION.fullmatch(name)
    if not is_run_id(name) and not registered:
        raise ConfigError(
            f"'{name}' is no model: neither a path, nor an MLflow run id (32 hexadecimal digits), nor a registered "
            "model (NAME@ALIAS, NAME/VERSION)"
        )
    store = Store(tracking_uri, create=False)
    run_id = _run_of_version(store, name) if registered else only_run(store, name)
    with downloaded(store, run_id) as folder:
        yield Located(folder, run_id, store)


def only_run(store: Store, run_id: str) -> str:
    """The run itself, or the only finished one below it.

    Raises:
        ConfigError: no such run, or none or several below it.
    """
    found = leaves(store, run_id)
    if len(found) != 1:
        which = f"first {', '.join(found[:3])}" if found else "let it run first"
        raise ConfigError(f"{run_id} has {len(found)} finished runs below it, and one is needed ({which}); name one")
    return found[0]


def _run_of_version(store: Store, name: str) -> str:
    """The run that a version in the registry came from."""
    try:
        if match := _ALIAS.fullmatch(name):
            version = store.client.get_model_version_by_alias(*match.groups())
        else:
            match = _VERSION.fullmatch(name)
            assert match is not None
            version = store.client.get_model_version(*match.groups())
    except MlflowException as error:
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(f"no registered model '{name}' in {shown(store.uri)} ({reason})") from None
    if not version.run_id:
        raise ConfigError(f"the registered model '{name}' comes from no run; name its checkpoint instead")
    return version.run_id
