"""A trained network as a model of MLflow's: in a folder, then with its run, then as a version of a registered model."""

import importlib.metadata
import io
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import mlflow
import mlflow.pyfunc
import numpy as np
import pandas as pd
import safetensors.torch
from mlflow.entities import LoggedModel, LoggedModelOutput, LoggedModelStatus
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import Model as MlflowModel
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema, TensorSpec
from mlflow.types.schema import Array, Object, Property
from packaging.requirements import Requirement
from packaging.version import Version
from PIL import Image

from rdpp.addresses import shown
from rdpp.config import ConfigError, digest
from rdpp.deploy import pyfunc_model
from rdpp.deploy.pyfunc_model import CHECKPOINT, RATE, TEACHER
from rdpp.engine import Checkpoint, check_teacher
from rdpp.models import teacher_backbone
from rdpp.models.weights import fingerprint
from rdpp.tracking.store.mlflow_store import Store

_NAME = "model"
"""Of the logged model, below its run."""


def logged_model(store: Store, run_id: str, checkpoint: Checkpoint) -> LoggedModel:
    """The model of a run: logged now, unless this very program has logged it before.

    Args:
        store: where the run is.
        run_id: the run that trained it.
        checkpoint: of that run, on disk; with the teacher's weights where they lie now.

    Raises:
        ConfigError: a teacher that cannot be had, or a store that refuses.
    """
    tags = {"category": checkpoint.category, "data": checkpoint.data, "program": _program()}
    try:
        return _logged_before(store, run_id, tags) or _log(store, run_id, checkpoint, tags)
    except MlflowException as error:
        raise _refused(error) from error


def add_version(store: Store, logged: LoggedModel, name: str, tags: Mapping[str, str]) -> ModelVersion:
    """A run's logged model as the next version of a registered model, which is made where there is none.

    Raises:
        ConfigError: a registry that refuses.
    """
    client = store.client
    with _mlflow_at(store.uri):
        try:
            if not client.search_registered_models(f"name = '{name}'"):
                client.create_registered_model(name)
            uri, run_id = f"models:/{logged.model_id}", logged.source_run_id
            return client.create_model_version(name, uri, run_id, tags=dict(tags), model_id=logged.model_id)
        except MlflowException as error:
            raise _refused(error) from error


def _refused(error: MlflowException) -> ConfigError:
    return ConfigError(f"MLflow refuses the model: {' '.join(shown(error).split())[:200]}")


def _logged_before(store: Store, run_id: str, tags: Mapping[str, str]) -> LoggedModel | None:
    wanted = " AND ".join(f"tags.{name} = '{tags[name]}'" for name in ("data", "program"))
    query = f"source_run_id = '{run_id}' AND {wanted}"
    found = store.client.search_logged_models([store.experiment_id], query)
    return next((one for one in found if one.status == LoggedModelStatus.READY), None)


def _log(store: Store, run_id: str, checkpoint: Checkpoint, tags: Mapping[str, str]) -> LoggedModel:
    client = store.client
    with tempfile.TemporaryDirectory(prefix="rdpp-") as scratch, _mlflow_at(store.uri):
        parts, folder = Path(scratch, CHECKPOINT), Path(scratch, _NAME)
        _write_parts(checkpoint, parts)
        logged = client.create_logged_model(store.experiment_id, _NAME, run_id, dict(tags))
        save_model(folder, parts, MlflowModel(run_id=run_id, model_id=logged.model_id, metadata=dict(tags)))
        client.log_model_artifacts(logged.model_id, str(folder))
        ready = client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
    client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
    return ready


def _program() -> str:
    """A digest of what lies in a model beside its checkpoint: this package's code and what it requires."""
    with as_file(files("rdpp")) as package:
        code = {path.relative_to(package).as_posix(): path.read_text() for path in sorted(package.rglob("*.py"))}
    return digest([code, requirements()])


@contextmanager
def _mlflow_at(uri: str) -> Iterator[None]:
    """While the block lasts, this is the store that MLflow takes where it is given none: the registry looks there for
    logged models."""
    before = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None
    mlflow.set_tracking_uri(uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(before)  # type: ignore[arg-type]


def save_model(folder: Path, checkpoint: Path, about: MlflowModel) -> None:
    """Write a model as MLflow loads it: its code, its checkpoint, its signature, an example and its requirements.

    Args:
        folder: is made.
        checkpoint: folder with the checkpoint and the teacher's weights.
        about: what is known of it so far.
    """
    with as_file(files("rdpp")) as package:
        mlflow.pyfunc.save_model(
            folder,
            mlflow_model=about,
            python_model=str(pyfunc_model.__file__),
            artifacts={CHECKPOINT: str(checkpoint)},
            code_paths=[str(package)],  # rdpp is on no index
            signature=_signature(),
            input_example=pd.DataFrame({"image": [_example()]}),
            pip_requirements=requirements(),
        )


def _write_parts(checkpoint: Checkpoint, folder: Path) -> None:
    """The checkpoint and its teacher, whose weights may lie in a file of this machine alone."""
    backbone = teacher_backbone(checkpoint.experiment.teacher, checkpoint.seed)
    weights = {name: tensor.contiguous() for name, tensor in backbone.state_dict().items()}
    check_teacher(checkpoint, fingerprint(weights))
    folder.mkdir()
    for file in (checkpoint.tensors, checkpoint.description):
        shutil.copy(file, folder)
    safetensors.torch.save_file(weights, folder / TEACHER)


def _signature() -> ModelSignature:
    number, whole, text = DataType.double, DataType.long, DataType.string
    region: dict[str, Any] = dict.fromkeys(("left", "top", "width", "height", "area"), whole)
    region |= {"score": number, "peak": Array(whole)}
    outputs: list[ColSpec | TensorSpec] = [
        ColSpec(number, "score"),
        ColSpec(DataType.boolean, "defective", required=False),
        ColSpec(number, "threshold", required=False),
        ColSpec(number, "pixel_threshold", required=False),
        ColSpec(whole, "height"),
        ColSpec(whole, "width"),
        ColSpec(Array(Object([Property(name, kind) for name, kind in region.items()])), "regions"),
        ColSpec(text, "map_png16"),
        ColSpec(number, "map_white"),
    ]
    return ModelSignature(
        inputs=Schema([ColSpec(DataType.binary, "image")]),
        outputs=Schema(outputs),
        params=ParamSchema([ParamSpec("rate", number, RATE)]),
    )


def _example() -> bytes:
    """A small PNG: a grey slope."""
    slope = np.linspace(0, 255, 32).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(np.tile(slope, (32, 1))).save(file, "png")
    return file.getvalue()


def requirements() -> list[str]:
    """What rdpp needs to run, in the versions that are in use here.

    Raises:
        ConfigError: rdpp is not installed, so that nothing tells what it needs.
    """
    try:
        stated = importlib.metadata.requires("rdpp") or []
    except importlib.metadata.PackageNotFoundError:
        raise ConfigError("rdpp is not installed, so its requirements are not known; pip install it first") from None
    wanted = [Requirement(text) for text in stated if not re.search(r"\bextra\b", text)]
    # A local version, such as torch's +cpu, is on no index.
    return [f"{one.name}=={Version(importlib.metadata.version(one.name)).public}" for one in wanted]
