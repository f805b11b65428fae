"""Who works on a Ray cluster with what, and which clusters are refused. Needs no Ray."""

import sys

import pytest

from rdpp.config import ConfigError
from rdpp.engine import resolve
from rdpp.workers.ray_cluster import check_shared, ray_module
from rdpp.workers.ray_members import ray_members

POSTGRES, SERVER = "postgresql+psycopg://ann:s3cret@db/optuna", "http://mlflow:5000"


@pytest.fixture(scope="module")
def experiment(tiny):
    return resolve(tiny.with_overrides({"threads": 4, "feature_cache_gb": 6.0}))


def node(cpus, gpus=0, host="elsewhere"):
    return {"Resources": {"CPU": float(cpus), **({"GPU": float(gpus)} if gpus else {})}, "NodeManagerHostname": host}


def shares(found):
    crew, demand = found
    return [(one.device, one.threads, one.feature_cache_gb) for one in crew], (demand.cpus, demand.gpus)


def test_as_many_as_fit_on_cpus(experiment):
    assert shares(ray_members(experiment, [node(9), node(3), node(4)])) == ([("cpu", 4, 3.0)] * 3, (4, 0))


def test_one_a_gpu_with_its_share_of_the_cpus(experiment):
    nodes = [node(16), node(6, gpus=2), node(32, gpus=1)]
    assert shares(ray_members(experiment, nodes, devices=["cuda"])) == ([("cuda:0", 3, 3.0)] * 3, (3, 1.0))


def test_several_a_gpu(experiment):
    found = ray_members(experiment, [node(12, gpus=1)], devices=["cuda"], per_device=3)
    assert shares(found) == ([("cuda:0", 4, 2.0)] * 3, (4, 1 / 3))


def test_more_than_fit_wait(experiment):
    assert len(ray_members(experiment, [node(4)], workers=3)[0]) == 3
    assert len(ray_members(experiment, [], workers=2)[0]) == 2


@pytest.mark.parametrize(
    ("nodes", "wanted", "told"),
    [
        ([node(3), node(2)], {}, r"no node of the Ray cluster has 4 CPU for a worker; the largest has 3: .*threads=3"),
        ([node(64)], {"devices": ["cuda"]}, r"has 1 GPU and 4 CPU for a worker; train on CPUs with --devices cpu"),
        ([node(64)], {"devices": ["cuda:1"]}, r"--devices cuda:1 cannot be given with --ray.*choices: cpu, cuda"),
        ([node(64)], {"per_device": 2}, r"--workers-per-device with --ray is of GPUs"),
        ([node(64)], {"workers": 0}, r"--workers must be at least 1, got 0"),
    ],
)
def test_what_cannot_be(experiment, nodes, wanted, told):
    with pytest.raises(ConfigError, match=told):
        ray_members(experiment, nodes, **wanted)


def test_files_are_shared_on_one_machine_only(monkeypatch):
    import socket

    monkeypatch.setattr(socket, "gethostname", lambda: "here")
    here, files = node(1, host="here"), ("sqlite:////a/optuna.db", "sqlite:////a/mlflow.db")
    check_shared(POSTGRES, SERVER, [node(1), node(1)], "ray://far:10001")
    check_shared(*files, [here], "local")
    for stores, nodes, address in [
        (files, [here, node(1)], "auto"),
        (files, [node(1)], "auto"),
        (files, [here], "ray://here:10001"),
        ((POSTGRES, files[1]), [here, here], "auto"),
        ((files[0], SERVER), [here, here], "auto"),
    ]:
        with pytest.raises(ConfigError, match=r"need a PostgreSQL database and an MLflow server") as refused:
            check_shared(*stores, nodes, address)
        assert "s3cret" not in str(refused.value)


def test_ray_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"^--ray needs Ray, which is not installed here; install it with: pip"):
        ray_module()
