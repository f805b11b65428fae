"""Whether a store is there, and lies where its artifacts do: found out before anything is made or written."""

from pathlib import Path
from urllib.parse import urlparse

import sqlalchemy
from mlflow.store.db.db_types import DATABASE_ENGINES
from mlflow.utils.file_utils import local_file_uri_to_path
from mlflow.utils.uri import is_local_uri

from rdpp.addresses import shown
from rdpp.config import ConfigError
from rdpp.tracking.conventions.location import sqlite_file, sqlite_url

ARTIFACTS = "artifacts"
"""Folder beside an sqlite file."""


def absent(uri: str) -> ConfigError:
    """The error for a store that is to be read and is not there."""
    file = sqlite_file(uri)
    if file is not None and not file.exists():
        return ConfigError(
            f"no runs here: there is no {file}; train first (rdpp train, rdpp sweep or rdpp ablate), or go to the "
            "folder where you trained, or give its runs/mlflow.db with --tracking-uri or MLFLOW_TRACKING_URI"
        )
    return ConfigError(
        f"no runs of rdpp are in {shown(uri)}: there is no MLflow experiment of its name; train first, or give another "
        "store with --tracking-uri or MLFLOW_TRACKING_URI"
    )


def exists(uri: str) -> bool:
    """Whether there is an MLflow store; MLflow itself would make what is missing. A server is taken to have one."""
    if file := sqlite_file(uri):
        return file.is_file() and _has_tables(uri)
    if urlparse(uri).scheme.partition("+")[0] in DATABASE_ENGINES:
        return _has_tables(uri)
    return not is_local_uri(uri) or (Path(local_file_uri_to_path(uri)) / ".trash").is_dir()


def _has_tables(uri: str) -> bool:
    engine = sqlalchemy.create_engine(uri)
    try:
        return sqlalchemy.inspect(engine).has_table("experiments")
    finally:
        engine.dispose()


def check_artifacts(uri: str, location: str) -> None:
    """See that an sqlite store has its artifacts beside it, where rdpp puts them. Other places are a user's own choice.

    Args:
        uri: of the store.
        location: the address of the artifacts that is written in it.

    Raises:
        ConfigError: a store that was copied or moved.
    """
    file = sqlite_file(uri)
    if file is None or not is_local_uri(location, is_tracking_or_registry_uri=False):
        return
    artifacts = Path(local_file_uri_to_path(location))
    if artifacts.name != ARTIFACTS or _same(artifacts.parent, file.absolute().parent):
        return
    raise ConfigError(
        f"the MLflow store {uri} was copied or moved: it keeps its artifacts in {artifacts}; give the original with "
        f"--tracking-uri {sqlite_url(artifacts.parent / file.name)}, or move it back, or write the new place into it "
        "as 'Copies of a store' in docs/tracking.md says"
    )


def _same(first: Path, second: Path) -> bool:
    return first.exists() and first.samefile(second)
