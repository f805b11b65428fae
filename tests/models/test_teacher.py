"""The frozen teacher, and the many ways in which its weights can be had or not."""

import functools
import hashlib
import http.server
import importlib.resources
import pickle
import socket
import threading

import pytest
import safetensors
import safetensors.torch
import torch
import torchvision
from torchvision.models import Weights, WeightsEnum

from rdpp.config import ConfigError
from rdpp.models import ARCHITECTURES, TeacherConfig, load_teacher
from rdpp.models.backbone import Backbone
from rdpp.models.weights import fingerprint


@pytest.fixture(scope="module")
def state():
    """Tensors of a random `builtin` backbone."""
    backbone = Backbone(ARCHITECTURES["builtin"])
    generator = torch.Generator().manual_seed(4)
    for parameter in backbone.parameters():
        parameter.data.normal_(generator=generator)
    return {name: value.clone() for name, value in backbone.state_dict().items()}


def load_file(path, name="builtin"):
    return load_teacher(TeacherConfig(name=name, weights=str(path)))


def test_the_builtin_teacher_is_small_and_says_where_it_comes_from():
    with importlib.resources.as_file(importlib.resources.files("rdpp.models")) as folder:
        path = folder / "builtin_teacher.safetensors"
        assert path.stat().st_size <= 4 * 2**20
        with safetensors.safe_open(path, "pt") as file:
            metadata = file.metadata()
    assert {"source", "recipe", "seed", "versions"} <= set(metadata)
    assert "ResNet18" in metadata["source"]


def test_the_builtin_teacher_loads_and_tells_images_apart():
    teacher = load_teacher(TeacherConfig())
    first, second = (teacher(torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(s))) for s in (1, 2))
    for stage, other, channels in zip(first, second, (32, 64, 128), strict=True):
        assert stage.shape[1] == channels
        assert stage.isfinite().all()
        assert not torch.allclose(stage, other)
    assert load_teacher(TeacherConfig()).fingerprint == teacher.fingerprint


def test_images_are_normalised_by_imagenets_mean_and_standard_deviation():
    teacher = load_teacher(TeacherConfig())
    images = torch.rand(2, 3, 32, 32)
    normalise = torchvision.transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    with torch.no_grad():
        expected = teacher.backbone(normalise(images))
    for found, wanted in zip(teacher(images), expected, strict=True):
        torch.testing.assert_close(found, wanted)


def test_the_teacher_stays_in_eval_mode_and_makes_no_gradients():
    teacher = load_teacher(TeacherConfig(weights="random")).train()
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    assert not any(module.training for module in teacher.modules())
    assert not any(parameter.requires_grad for parameter in teacher.parameters())
    stages = teacher(torch.rand(2, 3, 32, 32, requires_grad=True))
    assert not any(stage.requires_grad for stage in stages)
    for name, value in teacher.state_dict().items():
        assert torch.equal(value, before[name]), name
    stage = teacher(torch.rand(2, 3, 32, 32))[0]
    (stage * torch.ones((), requires_grad=True)).sum().backward()  # usable in a graph, unlike inference tensors


def test_random_weights_are_drawn_from_the_seed_alone():
    torch.manual_seed(1)
    first = load_teacher(TeacherConfig(weights="random"), seed=3)
    torch.manual_seed(2)
    same, other = (load_teacher(TeacherConfig(weights="random"), seed=seed) for seed in (3, 4))
    assert first.fingerprint == same.fingerprint
    assert first.fingerprint != other.fingerprint
    assert first.fingerprint != load_teacher(TeacherConfig()).fingerprint


def test_real_weights_of_resnet18_load(resnet18_weights):
    teacher = load_file(resnet18_weights, "resnet18")
    stages = teacher(torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)))
    assert [stage.shape[1] for stage in stages] == [64, 128, 256]
    assert all(0.01 < float(stage.std()) < 10 for stage in stages)


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors"])
def test_weights_from_a_file(state, tmp_path, suffix):
    path = tmp_path / f"weights{suffix}"
    safetensors.torch.save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    assert load_file(path).fingerprint == fingerprint(state)


def test_layers_that_no_one_uses_and_absent_counters_are_fine(state, tmp_path):
    extra = {"layer4.0.conv1.weight": torch.zeros(1), "fc.bias": torch.zeros(1)}
    few = {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}
    torch.save(few | extra, tmp_path / "old.pth")
    found = load_file(tmp_path / "old.pth").backbone.state_dict()
    torch.save(state, tmp_path / "whole.pth")
    expected = load_file(tmp_path / "whole.pth").backbone.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], value) for name, value in expected.items())


def test_a_missing_file(tmp_path):
    with pytest.raises(ConfigError, match=r"no weights file at .*gone.pth; give the path of a .safetensors or .pth"):
        load_file(tmp_path / "gone.pth")


class Trap:
    """Unpickling it would make a folder."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return type(self.folder).mkdir, (self.folder,)


@pytest.mark.parametrize("save", [torch.save, lambda trap, path: path.write_bytes(pickle.dumps(trap, protocol=2))])
def test_a_pickle_with_more_than_tensors_is_not_executed(state, tmp_path, save):
    path, folder = tmp_path / "trap.pth", tmp_path / "made"
    save(state | {"x": Trap(folder)}, path)
    with pytest.raises(ConfigError, match=r"trap.pth is not a file of plain tensors and is not loaded"):
        load_file(path)
    assert not folder.exists()


@pytest.mark.parametrize("name", ["a.pth", "a.safetensors"])
@pytest.mark.parametrize("content", [b"", b"plain text, no weights", bytes(range(256)), b"PK\x03\x04 broken"])
def test_files_without_tensors(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=r"is not a file of plain tensors and is not loaded \(.*save a state dict"):
        load_file(tmp_path / name)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_half_a_file(state, tmp_path, suffix):
    path = tmp_path / f"half{suffix}"
    safetensors.torch.save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    path.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(ConfigError, match=r"half\S+ is not a file of plain tensors"):
        load_file(path)


@pytest.mark.parametrize("content", [[1, 2], {"state": {"conv1.weight": torch.zeros(1)}}, torch.zeros(3)])
def test_a_file_that_is_no_state_dict(tmp_path, content):
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(ConfigError, match=r"a.pth holds no mapping of names to tensors; save a state dict"):
        load_file(tmp_path / "a.pth")


def test_tensors_that_do_not_fit(state, tmp_path):
    path = tmp_path / "a.pth"
    torch.save({k: v for k, v in state.items() if not k.startswith("layer2.0.conv")}, path)
    with pytest.raises(ConfigError, match=r"a.pth lacks 2 tensors, the first is layer2.0.conv1.weight; is it another"):
        load_file(path)
    torch.save(state | {"layer1.7.conv": torch.zeros(1), "head": torch.zeros(1)}, path)
    with pytest.raises(ConfigError, match=r"a.pth has unexpected 2 tensors, the first is head"):
        load_file(path)
    torch.save(state | {"conv1.weight": torch.zeros(64, 3, 7, 7)}, path)
    with pytest.raises(ConfigError, match=r"another shape of 1 .*conv1.weight \(64, 3, 7, 7\), wanted \(32, 3, 7, 7\)"):
        load_file(path)


@pytest.mark.parametrize("name", [name for name in ARCHITECTURES if name != "builtin"])
def test_torchvision_knows_the_default_weights_of_every_teacher(name):
    assert torchvision.models.get_model_weights(name)["IMAGENET1K_V1"].url.endswith(".pth")


@pytest.fixture
def offered(monkeypatch, tmp_path):
    """Let torchvision's IMAGENET1K_V1 of every network lie at this address, and nothing else anywhere."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("no_proxy", "*")

    def offer(url):
        class Offered(WeightsEnum):
            IMAGENET1K_V1 = Weights(url=url, transforms=None, meta={})
            IMAGENET1K_V2 = Weights(url="http://127.0.0.1:1/wrong.pth", transforms=None, meta={})
            DEFAULT = IMAGENET1K_V2

        monkeypatch.setattr(torchvision.models, "get_model_weights", lambda name: Offered)

    return offer


@pytest.fixture
def server(tmp_path):
    """(address of a web server, its folder, the requests it saw)."""
    folder, seen = tmp_path / "served", []
    folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, text, *values):
            seen.append(self.path)

    serving = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=folder))
    thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{serving.server_port}", folder, seen
    serving.shutdown()
    thread.join()
    serving.server_close()


def serve_weights(folder, digest=None):
    """The file's name; its hash is in it, as torchvision has it."""
    tensors = Backbone(ARCHITECTURES["resnet18"]).state_dict()
    torch.save(tensors | {"fc.bias": torch.zeros(1000)}, folder / "weights")
    digest = digest or hashlib.sha256((folder / "weights").read_bytes()).hexdigest()[:8]
    name = f"resnet18-{digest}.pth"
    (folder / "weights").rename(folder / name)
    return name, fingerprint(tensors)


def test_default_weights_are_downloaded_once(offered, server):
    address, folder, seen = server
    name, expected = serve_weights(folder)
    offered(f"{address}/{name}")
    assert load_teacher(TeacherConfig(name="resnet18")).fingerprint == expected
    assert load_teacher(TeacherConfig(name="resnet18")).fingerprint == expected
    assert seen == [f"/{name}"]


def test_a_download_with_another_hash_is_refused(offered, server):
    address, folder, _ = server
    name, _ = serve_weights(folder, digest="deadbeef")
    offered(f"{address}/{name}")
    with pytest.raises(ConfigError, match=r"could not be downloaded .*invalid hash value"):
        load_teacher(TeacherConfig(name="resnet18"))


def test_a_file_that_the_server_does_not_have(offered, server):
    offered(f"{server[0]}/resnet18-00000000.pth")
    with pytest.raises(ConfigError, match=r"weights of resnet18 could not be downloaded from http\S+ \(.*404"):
        load_teacher(TeacherConfig(name="resnet18"))


def test_no_server_is_an_error_with_a_remedy(offered):
    with socket.socket() as taken:  # bound, but not listening
        taken.bind(("127.0.0.1", 0))
        offered(f"http://127.0.0.1:{taken.getsockname()[1]}/resnet18-00000000.pth")
        with pytest.raises(ConfigError, match=r"downloaded .*; download them elsewhere and set teacher.weights to the"):
            load_teacher(TeacherConfig(name="resnet18"))
