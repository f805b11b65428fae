"""Official checkpoints, in and out, by name and shape."""

import pytest
import torch
from reference import official_keys, unused

from rdpp.config import ConfigError
from rdpp.models import ARCHITECTURES, Network
from rdpp.models.official import load_official, our_name, save_official

OFFICIAL = ["resnet18", "wide_resnet50_2"]


def hollow(name):
    """A network whose memory is never touched."""
    with torch.device("meta"):
        network = Network(ARCHITECTURES[name])
    return network.to_empty(device="cpu")


def drawn(seed, name="builtin"):
    network = Network(ARCHITECTURES[name])
    network.initialise(torch.Generator().manual_seed(seed))
    generator = torch.Generator().manual_seed(seed)
    for buffer in network.buffers():
        buffer.copy_(torch.randint(1, 9, buffer.shape, generator=generator))
    return network


@pytest.mark.parametrize("name", OFFICIAL)
def test_every_official_tensor_has_its_place_in_our_network(name):
    ours = {key: list(value.shape) for key, value in hollow(name).state_dict().items()}
    parts = official_keys(name).items()
    official = {
        our_name(part, key): shape for part, keys in parts for key, shape in keys.items() if not unused(part, key)
    }
    assert official == ours


@pytest.mark.parametrize("name", OFFICIAL)
def test_what_is_saved_has_the_official_names_and_shapes(name, monkeypatch, tmp_path):
    saved = []
    monkeypatch.setattr(torch, "save", lambda parts, path: saved.append(parts))
    save_official(hollow(name), tmp_path / "wres50_carpet.pth")
    found = {part: {key: list(value.shape) for key, value in state.items()} for part, state in saved[0].items()}
    assert found == official_keys(name)
    assert not any(saved[0]["bn"][key].any() for key in saved[0]["bn"] if unused("bn", key))


def test_saved_and_loaded_again(tmp_path):
    first, second = drawn(1), drawn(2)
    save_official(first, tmp_path / "wres50_carpet.pth")
    load_official(second, tmp_path / "wres50_carpet.pth")
    loaded = second.state_dict()
    for name, value in first.state_dict().items():
        assert torch.equal(loaded[name], value), name


def test_unused_official_tensors_are_passed_over(tmp_path):
    path = tmp_path / "wres50_carpet.pth"
    save_official(drawn(1), path)
    parts = torch.load(path, weights_only=True)
    for key in [key for key in parts["bn"] if unused("bn", key)]:
        del parts["bn"][key]
    torch.save(parts, path)
    second = drawn(2)
    load_official(second, path)
    assert torch.equal(second.state_dict()["bottleneck.first.0.weight"], parts["bn"]["conv1.weight"])


@pytest.mark.parametrize("content", [{"proj": {}, "decoder": {}}, {"proj": {}, "decoder": {}, "bn": {}, "x": {}}, [1]])
def test_files_of_another_making(tmp_path, content):
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(ConfigError, match=r"a.pth is no official checkpoint: it must hold exactly proj, decoder, bn"):
        load_official(hollow("builtin"), tmp_path / "a.pth")


def test_a_checkpoint_of_another_architecture(tmp_path):
    save_official(drawn(1), tmp_path / "a.pth")
    with pytest.raises(ConfigError, match=r"a.pth has another shape of \d+ tensors.* is it another model"):
        load_official(hollow("resnet18"), tmp_path / "a.pth")


def test_a_missing_file(tmp_path):
    with pytest.raises(ConfigError, match=r"no weights file at .*a.pth"):
        load_official(hollow("builtin"), tmp_path / "a.pth")
