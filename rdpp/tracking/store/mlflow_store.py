"""The MLflow store: where runs are kept, and how one is opened and closed."""

import getpass
import json
import logging
import math
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID
from mlflow.utils.time import get_current_time_millis
from sqlalchemy.exc import SQLAlchemyError

from rdpp.addresses import shown
from rdpp.config import ConfigError
from rdpp.provenance import code_tags
from rdpp.tracking.conventions.location import check_location, create_sqlite, sqlite_file, tracking_uri, unusable
from rdpp.tracking.conventions.names import printable, to_key
from rdpp.tracking.conventions.schema import SCHEMA
from rdpp.tracking.conventions.tags import ERROR, NODE, STATE
from rdpp.tracking.store.presence import ARTIFACTS, absent, check_artifacts, exists

MLFLOW_EXPERIMENT = "rdpp"
_KIND = {"mlflow.experimentKind": "custom_model_development"}  # else the UI opens its GenAI view
_BATCH = 900  # MLflow takes at most 1000 metrics, 100 params at once
_PARAMS = 90
_OF_THE_END = frozenset({ERROR, STATE})  # tags of how a run ended, which one that goes on has not


def check_schema(run_id: str, tags: Mapping[str, str]) -> None:
    """Runs of older versions are read; what cannot be read of them is told where it is wanted.

    Raises:
        ConfigError: a run of a newer version.
    """
    schema = int(tags.get("schema", 1))
    if schema > SCHEMA:
        raise ConfigError(
            f"the run {run_id} was written by a newer rdpp (schema {schema}, this one reads up to {SCHEMA}); "
            "update rdpp, or give another store with --tracking-uri"
        )


def _source() -> dict[str, str]:
    return {"mlflow.source.name": "rdpp", "mlflow.source.type": "LOCAL", "mlflow.user": _user()}


def _user() -> str:
    """The user's name; in a container whose user has none, the number."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return f"uid {os.getuid()}"


def _quiet() -> None:
    """MLflow reports each run's every detail, and prints a traceback for each error that it raises as well."""
    for name, level in {
        "mlflow": logging.WARNING,
        "mlflow.store.db.utils": logging.CRITICAL,
        "mlflow.system_metrics": logging.CRITICAL,
        "mlflow.utils.environment": logging.ERROR,  # an environment without pip, as uv makes them
        "urllib3": logging.ERROR,
    }.items():
        logging.getLogger(name).setLevel(level)


def _create_experiment(client: MlflowClient, name: str, file: Path | None) -> str:
    """The id of a new MLflow experiment; `file`: of an sqlite store, which the artifacts lie beside."""
    location = None if file is None else (file.absolute().parent / ARTIFACTS).as_uri()
    return client.create_experiment(name, artifact_location=location, tags=_KIND)


class Store:
    """One tracking store with rdpp's MLflow experiment in it."""

    def __init__(self, uri: str | None = None, experiment: str = MLFLOW_EXPERIMENT, *, create: bool = True) -> None:
        """Open it.

        Args:
            uri: of the store; see `tracking_uri`.
            experiment: name of the MLflow experiment.
            create: make the store, or the MLflow experiment in it, where it is missing.

        Raises:
            ConfigError: a store that cannot be reached or created, that is not there and shall not be created, or that
                was copied.
        """
        self.uri = tracking_uri(uri)
        if create:
            check_location(self.uri)
        _quiet()
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # it may hold a password
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # an absent server is told within seconds
        try:
            if not create and not exists(self.uri):
                raise absent(self.uri)
            if file := sqlite_file(self.uri):
                create_sqlite(file, lambda uri: _create_experiment(MlflowClient(uri), experiment, file))
            self.client = MlflowClient(self.uri)
            self.experiment_id = self._experiment(experiment, create=create)
        except (MlflowException, SQLAlchemyError, ImportError, OSError) as error:
            raise unusable(self.uri, error) from error  # tells whether it may be there later

    def _experiment(self, name: str, *, create: bool) -> str:
        known = self.client.get_experiment_by_name(name)
        if known is None and not create:
            raise absent(self.uri)
        if known is None:
            try:
                return _create_experiment(self.client, name, sqlite_file(self.uri))
            except MlflowException:
                known = self.client.get_experiment_by_name(name)
                if known is None:  # else another process made it at the same moment
                    raise
        if known.lifecycle_stage != "active":
            raise ConfigError(
                f"the MLflow experiment {name} in {shown(self.uri)} was deleted; restore it (mlflow experiments "
                f"restore --experiment-id {known.experiment_id}), or give another store with --tracking-uri"
            )
        check_artifacts(self.uri, known.artifact_location)
        return known.experiment_id

    def start_run(
        self,
        name: str,
        *,
        parent: str | None = None,
        tags: Mapping[str, object],
        node: str | None = None,
        started: int | None = None,
    ) -> str:
        """Open a run, or go on with the one that a node has already.

        Args:
            name: shown in the UI.
            parent: id of the run it stands under.
            tags: searchable; those of the code version are added.
            node: `Node.id`, a tag of the run.
            started: when, in milliseconds since 1970; by default now.

        Returns:
            The run's id.
        """
        all_tags = {to_key(k): printable(str(v)) for k, v in {**_source(), **code_tags(), **tags}.items()}
        if parent is not None:
            all_tags[MLFLOW_PARENT_RUN_ID] = parent
        if "git_commit" in all_tags:
            all_tags["mlflow.source.git.commit"] = all_tags["git_commit"]
        if node is not None:
            all_tags[NODE] = node
        known = None if node is None else self.run_of_node(node)
        if known is None:
            created = self.client.create_run(
                self.experiment_id, start_time=started, tags=all_tags, run_name=printable(name)
            )
            return created.info.run_id
        run_id = known.info.run_id
        self.client.update_run(run_id, status="RUNNING", name=printable(name))
        for tag in _OF_THE_END & known.data.tags.keys():
            self.client.delete_tag(run_id, tag)
        self.set_tags(run_id, all_tags)
        return run_id

    def run_of_node(self, node: str) -> Run | None:
        """The run that was opened for a node, unless it was deleted."""
        found = self.search(f"tags.{NODE} = '{node}'")
        return found[0] if found else None

    def end_run(self, run_id: str, status: str, tags: Mapping[str, object], ended: int | None = None) -> None:
        """Close a run with a status of MLflow's and last tags.

        `ended`: when, in milliseconds since 1970; by default now.
        """
        if tags:
            self.set_tags(run_id, tags)
        self.client.set_terminated(run_id, status, ended)

    def search(self, query: str) -> list[Run]:
        """Every run that answers a query in MLflow's language, the newest first.

        Raises:
            ConfigError: a query that MLflow does not understand.
        """
        runs: list[Run] = []
        token = None
        while True:
            try:
                page = self.client.search_runs([self.experiment_id], query, page_token=token)
            except MlflowException as error:
                reason = " ".join(shown(error).split())[:200]
                raise ConfigError(f'the query "{query}" cannot be answered: {reason}') from error
            runs += page
            for run in page:
                check_schema(run.info.run_id, run.data.tags)
            token = page.token
            if not token:
                return runs

    def read_json(self, run_id: str, name: str) -> Any:
        """A JSON artifact of a run; None where it has none of that name."""
        text = self.read_text(run_id, name)
        return None if text is None else json.loads(text)

    def read_text(self, run_id: str, name: str) -> str | None:
        """A text artifact of a run; None where it has none of that name."""
        folder = str(Path(name).parent) if "/" in name else None
        if name not in {artifact.path for artifact in self.client.list_artifacts(run_id, folder)}:
            return None
        with tempfile.TemporaryDirectory(prefix="rdpp-") as scratch:
            return Path(self.client.download_artifacts(run_id, name, scratch)).read_text(encoding="utf-8")

    def log_metrics(self, run_id: str, metrics: Mapping[str, float], step: int = 0) -> None:
        """Log one value a name."""
        self.log_series(run_id, [(name, value, step) for name, value in metrics.items()])

    def log_series(self, run_id: str, points: Sequence[tuple[str, float, int]], timestamp: int | None = None) -> None:
        """Log many (name, value, step). Undefined values (NaN, infinite) are left out: absent, not zero.

        `timestamp`: in milliseconds since 1970; by default now. MLflow drops what it has with the same timestamp.
        """
        when = get_current_time_millis() if timestamp is None else timestamp
        metrics = [
            Metric(to_key(name), float(value), when, step) for name, value, step in points if math.isfinite(value)
        ]
        for start in range(0, len(metrics), _BATCH):
            self.client.log_batch(run_id, metrics=metrics[start : start + _BATCH])

    def log_params(self, run_id: str, params: Mapping[str, Any]) -> None:
        """Log parameters by dotted path."""
        items = [Param(to_key(name), printable(str(value))) for name, value in params.items()]
        for start in range(0, len(items), _PARAMS):
            self.client.log_batch(run_id, params=items[start : start + _PARAMS])

    def set_tags(self, run_id: str, tags: Mapping[str, object]) -> None:
        """Set several tags at once."""
        self.client.log_batch(run_id, tags=[RunTag(to_key(k), printable(str(v))) for k, v in tags.items()])
