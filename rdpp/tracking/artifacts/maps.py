"""Anomaly maps stored with a run, and what can be computed anew from them."""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mlflow.exceptions import MlflowException
from safetensors import safe_open
from safetensors.numpy import save_file

from rdpp.config import ConfigError
from rdpp.metrics import evaluate
from rdpp.tracking.store.mlflow_store import Store

_FILE = "anomaly_maps.safetensors"


@dataclass(frozen=True)
class StoredMaps:
    """The test images' anomaly maps as the chosen epoch has them."""

    anomaly_maps: np.ndarray
    """(N, H, W) float32."""
    masks: np.ndarray
    """(N, H, W) bool."""
    image_scores: np.ndarray
    """(N,) float32."""
    images: tuple[str, ...]
    """Paths relative to the data set's root, such as `bolt/test/scratch/000.png`."""
    defect_types: tuple[str, ...]
    labels: np.ndarray
    """(N,) bool."""

    def metrics(self) -> Mapping[str, float]:
        """Every metric of today, over all images and by defect type."""
        return evaluate(self.anomaly_maps, self.masks, self.image_scores, self.labels, self.defect_types)


def log_maps(
    store: Store,
    run_id: str,
    *,
    anomaly_maps: np.ndarray,
    masks: np.ndarray,
    image_scores: np.ndarray,
    columns: Mapping[str, Any],
) -> None:
    """Store maps, masks and scores of the test images as one file of the run; see `StoredMaps`."""
    table = {"images": columns["image"], "defect_types": columns["defect_type"], "labels": columns["defective"]}
    tensors = {"anomaly_maps": anomaly_maps, "masks": masks.astype(np.uint8), "image_scores": image_scores}
    with tempfile.TemporaryDirectory(prefix="rdpp-") as scratch:
        path = Path(scratch) / _FILE
        save_file(tensors, path, {"table": json.dumps(table)})
        store.client.log_artifact(run_id, str(path))


def load_maps(store: Store, run_id: str) -> StoredMaps | None:
    """The maps of a run; None where it has none.

    Raises:
        ConfigError: a file that is not one of ours.
    """
    if _FILE not in {artifact.path for artifact in store.client.list_artifacts(run_id)}:
        return None
    with tempfile.TemporaryDirectory(prefix="rdpp-") as scratch:
        try:
            path = store.client.download_artifacts(run_id, _FILE, scratch)
            with safe_open(path, "numpy") as file:
                table = json.loads(file.metadata()["table"])
                arrays = {name: file.get_tensor(name) for name in ("anomaly_maps", "masks", "image_scores")}
        except (MlflowException, OSError, KeyError, TypeError, ValueError) as error:
            raise ConfigError(f"the anomaly maps of run {run_id} cannot be read ({error})") from None
    return StoredMaps(
        arrays["anomaly_maps"],
        arrays["masks"].astype(bool),
        arrays["image_scores"],
        tuple(table["images"]),
        tuple(table["defect_types"]),
        np.array(table["labels"], dtype=bool),
    )
