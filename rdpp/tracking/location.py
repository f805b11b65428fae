"""Where the MLflow store is; needs no MLflow."""

import os
from pathlib import Path

DEFAULT_FOLDER = Path("runs")
_SQLITE = "sqlite:///"


def tracking_uri(given: str | None) -> str:
    """The flag, else MLFLOW_TRACKING_URI, else an sqlite file in ./runs."""
    return given or os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(DEFAULT_FOLDER / 'mlflow.db').absolute()}"


def sqlite_file(uri: str) -> Path | None:
    """The file of an sqlite store; None for another kind of store."""
    return Path(uri.removeprefix(_SQLITE)) if uri.startswith(_SQLITE) else None


def is_empty(uri: str) -> bool:
    """Whether nothing can be in the store, because its file does not exist yet."""
    file = sqlite_file(uri)
    return file is not None and not file.exists()
