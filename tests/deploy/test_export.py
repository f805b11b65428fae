"""Exported programs give what the network gives, for images of any size and number."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from rdpp.cli import main
from rdpp.config import ConfigError
from rdpp.deploy import export as module
from rdpp.deploy.export import PROGRAMS, TOLERANCE, export, export_official, metadata
from rdpp.deploy.program import Program
from rdpp.engine import read_checkpoint
from rdpp.models import ARCHITECTURES, Network
from rdpp.models.official import load_official
from rdpp.models.weights import read_tensors

SIZES = [(64, 64), (64, 128), (37, 50), (200, 90), (33, 400)]


def photograph(size, seed=0):
    small = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize(size[::-1], Image.Resampling.BICUBIC))


def saved(folder, size, seed=0):
    path = folder / f"{size[0]}x{size[1]}-{seed}.png"
    Image.fromarray(photograph(size, seed)).save(path)
    return path


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("fixture", ["judge", "plain_judge"])
def test_the_whole_way_of_an_image_as_one_module(fixture, size, request):
    model = request.getfixturevalue(fixture).model
    images = [photograph(size, seed) for seed in range(3)]
    maps, scores = Program(model.detector, model.experiment.data.fit)(torch.from_numpy(np.stack(images)))
    for wanted, found, score in zip(model.predict(images), maps, scores, strict=True):
        np.testing.assert_allclose(found, wanted.map, rtol=0, atol=2e-6)
        assert float(score) == pytest.approx(wanted.score, abs=2e-6)


@pytest.mark.slow
@pytest.mark.parametrize("kind", PROGRAMS)
@pytest.mark.parametrize("fixture", ["judge", "plain_judge"])
def test_a_program_is_checked_and_written(fixture, kind, request, tmp_path):
    trained = request.getfixturevalue(fixture)
    out = tmp_path / "new" / "model"
    found = export(trained.model, [saved(tmp_path, (70, 80)), saved(tmp_path, (50, 190), 1)], kind, out)
    assert found.difference <= TOLERANCE
    assert out.stat().st_size == pytest.approx(1e6 * found.megabytes)
    assert [path.name for path in out.parent.iterdir()] == ["model"]
    told, run = LOADED[kind](out)
    assert json.loads(told) == json.loads(json.dumps(metadata(trained.model)))
    assert json.loads(told)["data"] == trained.result.spec.identity.train_files
    for size in SIZES:
        images = [photograph(size, seed) for seed in range(3)]
        maps, scores = run(np.stack(images))
        for wanted, one, score in zip(trained.model.predict(images), maps, scores, strict=True):
            np.testing.assert_allclose(one, wanted.map, rtol=0, atol=TOLERANCE)
            assert float(score) == pytest.approx(wanted.score, abs=TOLERANCE)


def loaded_onnx(path):
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.get_modelmeta().custom_metadata_map["rdpp"], lambda images: session.run(None, {"images": images})


def loaded_torch(path):
    extra = {"rdpp": ""}
    with path.open("rb") as file:
        program = torch.export.load(file, extra_files=extra).module()
    return extra["rdpp"], lambda images: program(torch.from_numpy(images))


LOADED = {"onnx": loaded_onnx, "torch": loaded_torch}


@pytest.fixture
def quick(monkeypatch):
    """A program that is exported at once, and whose maps or scores are wrong by so much for some images."""

    def wrong(map_by=0.0, score_by=0.0, where=lambda images: True):
        def write(exported, told, path):
            path.write_text(told)

            def run(images):
                maps, scores = (part.numpy() for part in exported(torch.from_numpy(images)))
                return (maps + map_by, scores + score_by) if where(images) else (maps, scores)

            return run

        monkeypatch.setattr(torch.export, "export", lambda program, *arguments, **named: program)
        monkeypatch.setattr(module, "PROGRAMS", {"onnx": write})
        monkeypatch.setattr(module, "_TIMES", 1)

    return wrong


WRONG = {
    "maps": {"map_by": 2e-4},
    "scores": {"score_by": 2e-4},
    "several at a time": {"map_by": 2e-4, "where": lambda images: len(images) == 2},
    "another size": {"map_by": 2e-4, "where": lambda images: images.shape[1] == 50},
}


@pytest.mark.parametrize("how", WRONG)
def test_a_program_that_differs_is_not_written(how, judge, tmp_path, quick):
    quick(**WRONG[how])
    images = [saved(tmp_path, (64, 64)), saved(tmp_path, (50, 190), 1)]
    with pytest.raises(
        ConfigError, match=r"differs from the network by 0\.0002, more than 0\.0001; nothing is written"
    ):
        export(judge.model, images, "onnx", tmp_path / "out" / "model.onnx")
    assert list((tmp_path / "out").iterdir()) == []


def test_what_exported_programs_do_not_take_is_refused(judge, tmp_path, quick):
    quick()
    deep = tmp_path / "deep.png"
    Image.fromarray(np.arange(4096, dtype=np.uint16).reshape(64, 64) * 16).save(deep)
    with pytest.raises(ConfigError, match=r"deep\.png has more than 8 bits a channel"):
        export(judge.model, [deep], "onnx", tmp_path / "model.onnx")
    with pytest.raises(ConfigError, match="no image to check the export on; name some with --images"):
        export(judge.model, [], "onnx", tmp_path / "model.onnx")


def test_the_command_tells_what_was_written(judge, tmp_path, quick, capsys):
    quick()
    saved(tmp_path, (64, 64))
    out = tmp_path / "model.onnx"
    command = ["export", str(judge.folder), "--to", "onnx", "--out", str(out), "--images", str(tmp_path)]
    assert main([*command, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["path"], told["images"], set(told["milliseconds"])) == (str(out), 1, {"1", "16"})
    assert main([*command[:4], "--out", str(tmp_path), *command[6:]]) == 2
    assert f"{tmp_path} is a folder; give another file with --out" in capsys.readouterr().err
    assert main(command) == 0
    assert "differs from the network by at most" in capsys.readouterr().out
    told = json.loads(out.read_text())
    assert told["thresholds"]["origin"] == "held-out images"
    assert told["data"] == judge.result.spec.identity.train_files


def test_a_checkpoint_for_the_released_code(plain_judge, tmp_path):
    out = tmp_path / "wres50_bolt.pth"
    assert main(["export", str(plain_judge.folder), "--to", "official", "--out", str(out)]) == 0
    assert set(read_tensors(out)) == {"proj", "decoder", "bn"}
    again = Network(ARCHITECTURES["builtin"])
    load_official(again, out)
    checkpoint = read_checkpoint(plain_judge.folder)
    tensors = read_tensors(checkpoint.tensors)
    assert all(torch.equal(value, tensors[name]) for name, value in again.state_dict().items())


def test_a_network_without_projection_is_not_the_released_codes(judge, tmp_path):
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    for path in judge.folder.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    description = folder / "chosen.json"
    told = json.loads(description.read_text())
    told["experiment"]["projection"] = False
    told["experiment"]["losses"] = {"distillation": {}}
    description.write_text(json.dumps(told))
    with pytest.raises(ConfigError, match="trained without projection"):
        export_official(str(folder), None, tmp_path / "official.pth")
