"""Trained networks as files for other programs: ONNX, torch's own, and checkpoints of the released code.

What is exported is checked against the network itself, on real images, before it is written.
"""

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rdpp import __version__
from rdpp.config import ConfigError, require
from rdpp.deploy.model import Model
from rdpp.deploy.program import Program
from rdpp.deploy.source import located
from rdpp.engine import load_network, read_checkpoint
from rdpp.engine.teachers import shared_teacher
from rdpp.folders import ensure_writable_file
from rdpp.models import ARCHITECTURES, Network
from rdpp.models.official import load_official, save_official

OPSET = 20
"""Of ONNX."""
TOLERANCE = 1e-4
"""Largest difference of a map's value or a score that an export may have."""
BATCHES = (1, 16)
"""Numbers of images that are timed."""
_TIMES = 5
Run = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""(B, height, width, 3) uint8 to (B, height, width) maps and (B,) scores."""


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What was written, and how it compares."""

    path: Path
    megabytes: float
    difference: float
    """The largest of a map's value or a score, from the network itself."""
    images: int
    """On so many images."""
    milliseconds: Mapping[int, tuple[float, float]]
    """An image, by the number of images at a time: of the network itself, and of the file. Resizing is part of it."""


def export(model: Model, images: Sequence[Path], kind: str, out: Path) -> Exported:
    """Write a model as a program that takes images of any size and number.

    Its input is `images`, (B, height, width, 3) uint8, RGB; its outputs are `map`, (B, height, width) float32 anomaly
    maps, and `score`, (B,). Thresholds and the key of the training images are in its metadata, as JSON under `rdpp`.

    Args:
        model: on the CPU.
        images: files to check it on, of 8 bits a channel.
        kind: of PROGRAMS.
        out: the file.

    Raises:
        ConfigError: images of another kind, a package that is missing, or a program that differs by more than
            TOLERANCE: then nothing is written.
    """
    ensure_writable_file(out, "give another file with --out")
    pixels = [_eight_bits(model, path) for path in images]
    require(bool(pixels), "no image to check the export on; name some with --images")
    program = Program(model.detector, model.experiment.data.fit).eval()
    example = torch.from_numpy(np.stack([pixels[0]] * 2))
    batch, height, width = (
        torch.export.Dim("batch"),
        torch.export.Dim("height", min=2),
        torch.export.Dim("width", min=2),
    )
    shapes = {"images": {0: batch, 1: height, 2: width}}
    exported = torch.export.export(program, (example,), dynamic_shapes=shapes)
    scratch = out.with_name(f".{out.name}")
    try:
        run = PROGRAMS[kind](exported, json.dumps(metadata(model)), scratch)
        difference = max(_difference(model, run, one) for one in pixels)
        require(
            difference <= TOLERANCE,
            f"the exported program differs from the network by {difference:.2g}, more than {TOLERANCE:g}; nothing is "
            "written",
        )
        timed = {count: _timed(program, run, pixels[0], count) for count in BATCHES}
        os.replace(scratch, out)
    finally:
        scratch.unlink(missing_ok=True)
    return Exported(
        path=out,
        megabytes=out.stat().st_size / 1e6,
        difference=difference,
        images=len(pixels),
        milliseconds=timed,
    )


def metadata(model: Model) -> dict[str, Any]:
    """What an exported program tells of itself."""
    return {
        "rdpp": __version__,
        "experiment": model.experiment.name,
        "category": model.category,
        "seed": model.seed,
        "epoch": model.epoch,
        "data": model.data,
        "thresholds": model.thresholds and model.thresholds.to_mapping(),
        "opset": OPSET,
    }


def _write_onnx(exported: torch.export.ExportedProgram, told: str, path: Path) -> Run:
    try:
        import onnxruntime
        import onnxscript  # noqa: F401  (torch's exporter needs it)
    except ImportError as error:
        raise ConfigError(f"the package {error.name} is missing; pip install 'rdpp[onnx]'") from None
    names: dict[str, Any] = {"input_names": ["images"], "output_names": ["map", "score"]}
    program = torch.onnx.export(exported, dynamo=True, opset_version=OPSET, verbose=False, **names)
    assert program is not None
    program.model.metadata_props["rdpp"] = told
    program.save(path, external_data=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def run(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        maps, scores = session.run(None, {"images": images})
        return np.asarray(maps), np.asarray(scores)

    return run


def _write_torch(exported: torch.export.ExportedProgram, told: str, path: Path) -> Run:
    with path.open("wb") as file:
        torch.export.save(exported, file, extra_files={"rdpp": told})
    with path.open("rb") as file:
        module = torch.export.load(file).module()

    def run(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        maps, scores = module(torch.from_numpy(images))
        return maps.numpy(), scores.numpy()

    return run


PROGRAMS: Mapping[str, Callable[[torch.export.ExportedProgram, str, Path], Run]] = {
    "onnx": _write_onnx,
    "torch": _write_torch,
}
"""By name: what writes a program, and runs what it has written."""


def _eight_bits(model: Model, path: Path) -> np.ndarray:
    pixels = model.decoded(path) * 255
    whole = np.rint(pixels)
    require(
        bool(np.abs(pixels - whole).max() < 1e-3),
        f"{path} has more than 8 bits a channel, and exported programs take 8; name other images with --images",
    )
    return whole.astype(np.uint8)


def _difference(model: Model, run: Run, pixels: np.ndarray) -> float:
    """The largest one between an exported program and `Model.predict`, on one image alone and twice in a batch."""
    (wanted,) = model.predict(pixels)
    found = []
    for count in (1, 2):
        maps, scores = run(np.stack([pixels] * count))
        found += [np.abs(maps - wanted.map).max(), np.abs(scores - wanted.score).max()]
    return float(max(found))


def _timed(program: Program, run: Run, pixels: np.ndarray, count: int) -> tuple[float, float]:
    """Milliseconds an image, of the network itself and of what was exported; the least of several, in turn."""
    images = np.stack([pixels] * count)
    tensor = torch.from_numpy(images)
    best = [float("inf")] * 2
    for _ in range(_TIMES):
        for place, call in enumerate((lambda: program(tensor), lambda: run(images))):
            began = time.perf_counter()
            with torch.inference_mode():
                call()
            best[place] = min(best[place], time.perf_counter() - began)
    return 1000 * best[0] / count, 1000 * best[1] / count


def export_official(source: str, tracking_uri: str | None, out: Path) -> None:
    """Write a checkpoint that the released code's inference loads: `proj`, `decoder` and `bn` in a torch file.

    Raises:
        ConfigError: no such model, a network without projection, which the released code does not know, or no file
            can be written there.
    """
    ensure_writable_file(out, "give another file with --out")
    with located(source, tracking_uri) as found:
        checkpoint = read_checkpoint(found.path)
        require(
            checkpoint.experiment.projection,
            f"{source} was trained without projection, and the released code's networks have one",
        )
        teacher = shared_teacher(checkpoint.experiment.teacher, checkpoint.seed, torch.device("cpu"))
        network = load_network(checkpoint, teacher)
        save_official(network, out)
        again = Network(ARCHITECTURES[checkpoint.experiment.teacher.name])
        load_official(again, out)
        ours, theirs = network.state_dict(), again.state_dict()
        assert all(torch.equal(ours[name], theirs[name]) for name in ours), "written as it is"
