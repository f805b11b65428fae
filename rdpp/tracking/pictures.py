"""Heatmaps of a run: each is drawn once, logged for the slider of MLflow's UI, and put into the run's gallery."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from rdpp.tracking.figures import Scale, heatmap, outlined
from rdpp.tracking.gallery import GALLERY, Frame, frame_of, gallery_page
from rdpp.tracking.names import to_picture_key
from rdpp.tracking.store import Store

_AT_ONCE = 2  # pictures drawn and logged


def log_pictures(
    store: Store,
    run_id: str,
    time: int,
    *,
    pictures: Sequence[Mapping[str, Any]],
    about: str = "",
    chosen: int | None = None,
) -> None:
    """Draw and log heatmaps, and the page that shows them all.

    MLflow makes a new file of a picture that is logged again, so those that are there already are passed over. The
    page comes last, in the place of one that is there.

    Args:
        store: to log to.
        run_id: of the run.
        time: of the record, in milliseconds since 1970.
        pictures: the arguments of `rdpp.tracking.figures.heatmap`, with `key` and `step` of each picture; the UI's
            slider goes over the steps of one key.
        about: the run, in words.
        chosen: the epoch that counts; None: the last one.
    """
    there = [file.path for file in store.client.list_artifacts(run_id, "images") if file.path.endswith(".webp")]

    def log(picture: Mapping[str, Any]) -> Frame:
        key, step = to_picture_key(picture["key"]), picture["step"]
        shown = {k: v for k, v in picture.items() if k not in ("key", "step", "scale")}
        drawn = heatmap(**shown, scale=Scale(*picture["scale"]))
        begin = f"images/{key.replace('/', '~')}+step+{step}+timestamp+"
        if not any(path.startswith(begin) for path in there):
            store.client.log_image(run_id, drawn.grid(), key=key, step=step, timestamp=time)
        return frame_of(drawn, picture["key"], _with_outline(**picture) if step == 0 else None)

    frames = [log(picture) for picture in pictures[:1]]  # by itself, since it makes a tag of the run
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        frames += pool.map(log, pictures[1:])
    if frames:
        store.client.log_text(run_id, gallery_page(frames, about, chosen), GALLERY)


def _with_outline(*, pixels: np.ndarray, mask: np.ndarray | None, **_: Any) -> np.ndarray:
    return pixels if mask is None else outlined(pixels, mask)
