"""The model that MLflow's registry serves. MLflow runs this file to load it ("models from code"): nothing is unpickled.

It needs a folder with the network's checkpoint and its teacher's weights, and nothing else.
"""

import base64
import io
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from rdpp.config import ConfigError
from rdpp.deploy.model import Model, load
from rdpp.deploy.prediction import ImagePrediction, Unreadable
from rdpp.deploy.writing import HIGHEST, sixteen_bits

CHECKPOINT = "checkpoint"
"""The artifact: a folder."""
TEACHER = "teacher.safetensors"
"""The teacher's weights in it."""
RATE = 0.01


class RegisteredModel(PythonModel):
    """Image files in, what a model says of them out."""

    _model: Model

    def load_context(self, context: PythonModelContext) -> None:
        """Read the checkpoint and the teacher that lie beside this code, and compile what the first image needs.

        Else the first request would wait for numba, on a busy machine for longer than MLflow's limit of a minute.
        """
        folder = Path(context.artifacts[CHECKPOINT])
        device = (context.model_config or {}).get("device", "auto")
        self._model = load(folder, device, changes={"teacher.weights": str(folder / TEACHER)})
        list(self._model.predict(np.zeros((*self._model.experiment.data.size, 3), np.uint8)))

    def predict(  # type: ignore[override]  # MLflow states no result
        self, context: PythonModelContext, model_input: pd.DataFrame, params: Mapping[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        """Judge images.

        Args:
            context: MLflow's.
            model_input: a column `image` with the bytes of image files.
            params: `rate`, the false-alarm rate of the thresholds.

        Returns:
            What is told of each image; see docs/use.md.

        Raises:
            MlflowException: an image that cannot be read, or another rate; a server answers 400.
        """
        try:
            return self._judged(list(model_input["image"]), (params or {}).get("rate", RATE))
        except ConfigError as error:
            raise MlflowException.invalid_parameter_value(str(error)) from None

    def _judged(self, images: Sequence[bytes], rate: float) -> list[dict[str, Any]]:
        with tempfile.TemporaryDirectory(prefix="rdpp-") as scratch:  # images are read from files, as in training
            paths = [Path(scratch, f"image {number}") for number in range(len(images))]
            for path, content in zip(paths, images, strict=True):
                path.write_bytes(content)
            rows = []
            for found in self._model.stream(paths, rate):
                if isinstance(found, Unreadable):
                    raise ConfigError(found.reason.partition(";")[0].replace(f"the image {scratch}/", "the ", 1))
                rows.append(_row(found))
            return rows


def _row(found: ImagePrediction) -> dict[str, Any]:
    file = io.BytesIO()
    sixteen_bits(found.map).save(file, "png", compress_level=1)
    return {
        **found.told(),
        "map_png16": base64.b64encode(file.getvalue()).decode(),
        "map_white": HIGHEST,
    }


set_model(RegisteredModel())
