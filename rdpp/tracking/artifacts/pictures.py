"""Heatmaps of a run: each is drawn once, as a picture of its own and for the run's gallery."""

import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from rdpp.tracking.artifacts.figures import Scale, heatmap, outlined
from rdpp.tracking.artifacts.gallery import Frame, frame_of, gallery_page
from rdpp.tracking.conventions.artifacts import GALLERY, PICTURES
from rdpp.tracking.conventions.names import to_picture_key
from rdpp.tracking.store.mlflow_store import Store

_AT_ONCE = 2  # pictures drawn
_QUALITY = 92


def log_pictures(
    store: Store, run_id: str, *, pictures: Sequence[Mapping[str, Any]], about: str = "", chosen: int | None = None
) -> None:
    """Draw heatmaps, and log them and the page that shows them all, in the place of what is there.

    They are files, and no images of MLflow's `log_image`: its UI would print all of the run's parameters over each.

    Args:
        store: to log to.
        run_id: of the run.
        pictures: the arguments of `rdpp.tracking.artifacts.figures.heatmap`, with `key`, the same for all epochs of an
            image, and `step`, which counts them from 0.
        about: the run, in words.
        chosen: the epoch that counts; None: the last one.
    """
    with tempfile.TemporaryDirectory(prefix="rdpp-") as scratch:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            frames = list(pool.map(partial(_draw, Path(scratch)), pictures))
        if frames:
            store.client.log_artifacts(run_id, scratch, PICTURES)
            store.client.log_text(run_id, gallery_page(frames, about, chosen), GALLERY)


def _draw(folder: Path, picture: Mapping[str, Any]) -> Frame:
    """Write a picture, such as `miss/1_scratch_000_epoch_0003.jpg`."""
    key, pixels, mask = picture["key"], picture["pixels"], picture["mask"]
    shown = {name: value for name, value in picture.items() if name not in ("key", "step", "scale")}
    drawn = heatmap(**shown, scale=Scale(*picture["scale"]))
    path = folder / f"{to_picture_key(key)}_epoch_{drawn.epoch:04d}.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn.grid().save(path, quality=_QUALITY, subsampling=0)
    image = None if picture["step"] else pixels if mask is None else outlined(pixels, mask)
    return frame_of(drawn, key, image)
