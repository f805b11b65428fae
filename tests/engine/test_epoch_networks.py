"""Networks of earlier epochs: saved with a state without being copied, and whole whatever becomes of either."""

import errno
import os
import tempfile

import pytest
import torch

from rdpp.engine.epoch_networks import EpochNetworks


def network(value):
    made = torch.nn.Linear(3, 1, bias=False)
    torch.nn.init.constant_(made.weight, value)
    return made


def restored(networks, epoch):
    into = network(0.0)
    networks.restore(epoch, into)
    return into.weight.unique().item()


def test_a_saved_network_takes_no_further_space(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with EpochNetworks() as networks:
        networks.keep(5, network(5.0), alone=False)
        networks.save(tmp_path / "kept")
        assert (tmp_path / "kept" / "5.safetensors").stat().st_nlink == 2


@pytest.mark.parametrize("linked", [True, False], ids=["one file system", "two"])
def test_what_was_saved_outlives_the_run(tmp_path, monkeypatch, linked):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    if not linked:

        def refuse(*paths):
            raise OSError(errno.EXDEV, "Invalid cross-device link")

        monkeypatch.setattr(os, "link", refuse)
    with EpochNetworks() as networks:
        networks.keep(5, network(5.0), alone=False)
        networks.save(tmp_path / "kept")
        networks.keep(10, network(10.0), alone=True)
        assert networks.epochs == [10]
    with EpochNetworks() as networks:
        networks.load(tmp_path / "kept")
        networks.keep(15, network(15.0), alone=False)
        assert networks.epochs == [5, 15]
        assert [restored(networks, epoch) for epoch in networks.epochs] == [5.0, 15.0]
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["5.safetensors"]
