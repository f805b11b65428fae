"""A run's network in MLflow's registry: what lies there, what serves it, and which version has the alias."""

import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from io import BytesIO
from pathlib import Path

import mlflow
import mlflow.pyfunc
import numpy as np
import pandas as pd
import pytest
import safetensors.torch
from mlflow.exceptions import MlflowException
from mlflow.utils.file_utils import local_file_uri_to_path
from PIL import Image

import rdpp
from rdpp.cli import main
from rdpp.cli.sweep import log_best
from rdpp.config import ConfigError
from rdpp.deploy import registered
from rdpp.deploy.registered import requirements
from rdpp.deploy.registry import OBJECTIVE, register
from rdpp.detector import Detector
from rdpp.models import TeacherConfig, teacher_backbone
from rdpp.sweep.config import SweepConfig
from rdpp.tracking.store.mlflow_store import Store

WHITE = 6.0


class Runs:
    """Writes runs as training writes them, without training."""

    def __init__(self, store, judge):
        self.store, self.judge = store, judge

    def run(self, value=0.9, *, category="bolt", data="d", parent=None, checkpoint=True, **changes):
        tags = {"level": "run", "category": category, "seed": 1, "train_manifest": data}
        run_id = self.store.start_run("run", parent=parent, tags=tags)
        if value is not None:
            names = ("image_auroc", "pixel_aupro")
            self.store.log_metrics(run_id, {f"selection/held_out/{name}": value for name in names})
            self.store.log_metrics(run_id, {f"test/{name}": 1 - value for name in names})  # of the test images
        experiment = self.judge.model.experiment.with_overrides(changes)
        self.store.client.log_text(run_id, experiment.to_yaml(), "experiment.yaml")
        if checkpoint:
            self.store.client.log_artifacts(run_id, str(self.judge.folder), "checkpoint")
        self.store.end_run(run_id, "FINISHED", {})
        return run_id

    def study(self, name, values, objective="image_auroc pixel_aupro", **how):
        study = self.store.start_run(name, tags={"level": "study", "study": name, "objective": objective})
        runs = []
        for number, value in enumerate(values):
            tags = {"level": "trial", "study": name, "trial": number, "root": study, "state": "complete"}
            trial = self.store.start_run(f"trial-{number}", parent=study, tags=tags)
            self.store.log_metrics(trial, {"objective": value})
            runs.append(self.run(value, parent=trial, **how))
        return runs

    def holder(self, name):
        return self.store.client.get_model_version_by_alias(name, "champion")

    def place(self, version):
        """Where a version lies: the store is on this disk."""
        logged = self.store.client.get_logged_model(version.source.removeprefix("models:/"))
        return Path(local_file_uri_to_path(logged.artifact_location))


@pytest.fixture(scope="module")
def runs(judge, store_uri):
    return Runs(Store(store_uri), judge)


@pytest.fixture(scope="module")
def champion(runs):
    """The first version of a model, with the alias."""
    return register(runs.run(), "bolts-served", "champion", runs.store.uri)


@pytest.fixture(scope="module")
def folder(runs, champion):
    """What MLflow has of it."""
    return runs.place(runs.holder("bolts-served"))


def assert_is(row, found):
    """A row as it is served is the prediction of a loaded model."""
    assert row["score"] == pytest.approx(found.score, abs=1e-6)
    assert (row["height"], row["width"]) == found.size
    assert (row["defective"], row["threshold"]) == (found.verdict, found.threshold)
    assert row["pixel_threshold"] == pytest.approx(found.pixel_threshold)
    assert [region["area"] for region in row["regions"]] == [region.area for region in found.regions]
    grey = np.asarray(Image.open(BytesIO(base64.b64decode(row["map_png16"]))))
    np.testing.assert_allclose(grey * (row["map_white"] / 65535), found.map, rtol=0, atol=WHITE / 65535)


def test_a_version_is_a_logged_model_of_its_run(runs, champion):
    version = runs.holder("bolts-served")
    assert version.run_id == champion.run_id
    logged = runs.store.client.get_logged_model(version.source.removeprefix("models:/"))
    assert logged.source_run_id == champion.run_id
    assert logged.status == "READY"
    assert version.tags["category"] == "bolt"
    assert float(version.tags["held_out"]) == pytest.approx(0.9)
    assert version.tags["data"]
    outputs = runs.store.client.get_run(champion.run_id).outputs
    assert [one.model_id for one in outputs.model_outputs] == [logged.model_id]


def test_a_model_that_was_logged_before_is_registered_again(runs, monkeypatch):
    run_id = runs.run(0.9)
    register(run_id, "twice", None, runs.store.uri)
    register(run_id, "twice", None, runs.store.uri)
    monkeypatch.setattr(registered, "requirements", lambda: ["numpy==1.0"])  # another program
    register(run_id, "twice", None, runs.store.uri)
    versions = runs.store.client.search_model_versions("name = 'twice'")
    sources = [one.source for one in sorted(versions, key=lambda one: int(one.version))]
    assert sources[0] == sources[1] != sources[2]
    assert len(runs.store.client.get_run(run_id).outputs.model_outputs) == 2


def test_a_study_is_done_though_its_model_cannot_be_logged(runs, capsys):
    log_best(runs.run(0.9, checkpoint=False), runs.store.uri)
    assert "the best trial's network is no logged model: the run" in capsys.readouterr().err


def test_nothing_in_it_is_pickled(folder):
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {"artifacts/checkpoint/chosen.safetensors", "artifacts/checkpoint/chosen.json"} < files
    assert {"artifacts/checkpoint/teacher.safetensors", "pyfunc_model.py", "code/rdpp/deploy/model.py"} < files
    ends = {Path(name).suffix for name in files}
    assert ends <= {"", ".py", ".json", ".yaml", ".yml", ".txt", ".safetensors", ".html"}  # "" is MLmodel


def test_its_teacher_is_the_one_of_the_run(folder, judge):
    weights = safetensors.torch.load_file(folder / "artifacts/checkpoint/teacher.safetensors")
    wanted = teacher_backbone(judge.model.experiment.teacher, 1).state_dict()
    assert weights.keys() == wanted.keys()
    assert all((weights[name] == wanted[name]).all() for name in wanted)


def test_requirements_are_what_runs_here(folder):
    stated = (folder / "requirements.txt").read_text().split()
    assert stated == requirements()
    assert f"mlflow=={mlflow.__version__}" in stated
    assert not any("+" in line or "ray" in line for line in stated)


def test_a_signature_with_an_example(folder):
    model = mlflow.pyfunc.load_model(str(folder), model_config={"device": "cpu"})
    assert model.metadata.signature.inputs.to_dict() == [{"type": "binary", "name": "image", "required": True}]
    assert [one["name"] for one in model.metadata.signature.params.to_dict()] == ["rate"]
    example = json.loads((folder / "serving_input_example.json").read_text())
    image = base64.b64decode(example["dataframe_split"]["data"][0][0])
    (row,) = model.predict(pd.DataFrame({"image": [image]}))
    assert set(row) == {one["name"] for one in model.metadata.signature.outputs.to_dict()}
    assert (row["height"], row["width"]) == (32, 32)


def test_what_pyfunc_says_is_what_the_loaded_model_says(folder, judge):
    model = mlflow.pyfunc.load_model(str(folder), model_config={"device": "cpu"})
    images = judge.images[:3]
    rows = model.predict(pd.DataFrame({"image": [path.read_bytes() for path in images]}), params={"rate": 0.05})
    for row, found in zip(rows, judge.model.predict(images, 0.05), strict=True):
        assert_is(row, found)


def test_a_loaded_model_has_judged_an_image_already(folder, monkeypatch):
    """Compiling takes seconds, and a server gives up on a request after a minute."""
    seen, forward = [], Detector.forward
    monkeypatch.setattr(Detector, "forward", lambda self, images: seen.append(images.shape) or forward(self, images))
    mlflow.pyfunc.load_model(str(folder), model_config={"device": "cpu"})
    assert seen == [(1, 3, 64, 64)]


def test_what_cannot_be_judged_is_told(folder):
    model = mlflow.pyfunc.load_model(str(folder), model_config={"device": "cpu"})
    with pytest.raises(MlflowException, match=r"^cannot decode the image 1$") as told:
        model.predict(pd.DataFrame({"image": [image_bytes(), b"no image"]}))
    assert told.value.get_http_status_code() == 400
    with pytest.raises(MlflowException, match=r"unknown rate '0.5'"):
        model.predict(pd.DataFrame({"image": [image_bytes()]}), params={"rate": 0.5})


def image_bytes():
    file = BytesIO()
    Image.new("RGB", (40, 30), "grey").save(file, "png")
    return file.getvalue()


@pytest.mark.slow
def test_it_loads_where_rdpp_is_not_installed(folder, tmp_path):
    """The process gets MLflow and torch, but no rdpp other than the model's own."""
    code = (
        "import sys, mlflow.pyfunc, pandas\n"
        "sys.path[:] = [p for p in sys.path if p != sys.argv[2]]\n"
        "sys.meta_path[:] = [f for f in sys.meta_path if 'editable' not in repr(f)]\n"
        "import importlib.util; assert importlib.util.find_spec('rdpp') is None\n"
        "model = mlflow.pyfunc.load_model(sys.argv[1], model_config={'device': 'cpu'})\n"
        "image = open(sys.argv[3], 'rb').read()\n"
        "print(model.predict(pandas.DataFrame({'image': [image]}))[0]['score'])\n"
        "import rdpp; print(rdpp.__file__)"
    )
    image = tmp_path / "image.png"
    image.write_bytes(image_bytes())
    package = Path(rdpp.__file__).parents[1]
    command = [sys.executable, "-P", "-c", code, str(folder), str(package), str(image)]
    found = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert found.returncode == 0, found.stderr
    score, place = found.stdout.split()
    assert float(score) > 0
    assert place == str(folder / "code/rdpp/__init__.py")


def test_a_network_by_its_alias(runs, champion, judge):
    model = rdpp.load("bolts-served@champion", "cpu", runs.store.uri)
    (found,) = model.predict(judge.images[0])
    assert found.score == next(judge.model.predict(judge.images[0])).score
    assert model.detector is not None


def test_the_alias_goes_to_the_better_one(runs):
    steps = [(0.5, True), (0.5, False), (0.4, False), (0.6, True), (0.55, False)]  # a tie does not move it
    for number, (value, moved) in enumerate(steps, 1):
        done = register(runs.run(value), "climbing", "champion", runs.store.uri)
        assert (done.version, done.moved) == (str(number), moved)
    assert str(runs.holder("climbing").version) == "4"
    forced = register(runs.run(0.1), "climbing", "champion", runs.store.uri, force=True)
    assert (forced.moved, forced.before, str(runs.holder("climbing").version)) == (True, "4", "6")
    assert "climbing@champion is version 6 now, not 4; they were not compared" in str(forced)


def test_without_an_alias_none_moves(runs, champion):
    done = register(runs.run(0.99), "bolts-served", None, runs.store.uri)
    assert (done.alias, done.moved, str(runs.holder("bolts-served").version)) == (None, False, champion.version)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"category": "weave"}, r"cannot compare with .*/1, which has the alias: its category is bolt, not weave"),
        ({"data": "other"}, r"its training images have the digest d, not other; --force moves"),
        ({"evaluation.hold_out": 0.4}, r"the share that it held out is 0.2, not 0.4; --force moves"),
        ({"value": None}, r"^the run \w+ has no image_auroc and pixel_aupro on held-out images"),
    ],
)
def test_what_cannot_be_compared_is_not_registered(runs, champion, how, message):
    before = len(runs.store.client.search_model_versions("name = 'bolts-served'"))
    with pytest.raises(ConfigError, match=message):
        register(runs.run(**{"value": 0.99, **how}), "bolts-served", "champion", runs.store.uri)
    assert len(runs.store.client.search_model_versions("name = 'bolts-served'")) == before


def test_a_version_without_what_is_compared(runs):
    register(runs.run(None), "unknown", "champion", runs.store.uri)  # the first needs no value
    with pytest.raises(ConfigError, match=r"^unknown/1, which has the alias, has no image_auroc and pixel_aupro"):
        register(runs.run(0.9), "unknown", "champion", runs.store.uri)
    runs.store.client.create_model_version("unknown", f"runs:/{runs.run()}/checkpoint")
    runs.store.client.set_registered_model_alias("unknown", "champion", "2")
    with pytest.raises(ConfigError, match=r"^unknown/2, which has the alias, comes from no run; --force"):
        register(runs.run(0.9), "unknown", "champion", runs.store.uri)


def test_of_a_study_the_best_trial(runs):
    runs_of = runs.study("registered-study", (0.3, 0.8, 0.5), "pixel_aupro")
    done = register("registered-study", "of-study", "champion", runs.store.uri)
    assert (done.run_id, done.objective, done.value) == (runs_of[1], ("pixel_aupro",), pytest.approx(0.8))
    runs.study("study-without", (0.3,), checkpoint=False)
    with pytest.raises(ConfigError, match=r"no run of trial 0, the best of the study study-without, kept its checkp"):
        register("study-without", "of-study", None, runs.store.uri)


def test_the_objective_of_a_run_is_a_sweeps_default():
    assert SweepConfig.__dataclass_fields__["objective"].default == OBJECTIVE


def test_what_names_no_run(runs):
    with pytest.raises(ConfigError, match=r"unknown study \(in .*\) 'nothing'"):
        register("nothing", "name", None, runs.store.uri)
    with pytest.raises(ConfigError, match=r"no run 0{32} in "):
        register("0" * 32, "name", None, runs.store.uri)
    with pytest.raises(ConfigError, match=r"has no checkpoint; it was trained with keep: none"):
        register(runs.run(checkpoint=False), "name", None, runs.store.uri)
    runs.store.start_run("an-ablation", tags={"level": "ablation", "ablation": "an-ablation"})
    with pytest.raises(ConfigError, match=r"'an-ablation' is an ablation, which has no best run"):
        register("an-ablation", "name", None, runs.store.uri)
    assert not runs.store.client.search_registered_models("name = 'name'")


@pytest.mark.parametrize("name", ["", "a/b", "a:b", "a@b", " a", "a'b"])
def test_bad_names(runs, name):
    with pytest.raises(ConfigError, match="is no name for a registered model; give one without"):
        register("0" * 32, name, None, runs.store.uri)


@pytest.mark.parametrize("alias", ["", "a b", "latest", "v1", "ä"])
def test_bad_aliases(runs, alias):
    with pytest.raises(ConfigError, match="is no alias; give letters, digits, _ and -, but not latest or v1"):
        register("0" * 32, "name", alias, runs.store.uri)


def test_a_teacher_that_lies_elsewhere_now(runs, judge, tmp_path):
    """The run's weights came from a file that is gone; --set says where it lies, and another teacher is refused."""
    folder = tmp_path / "checkpoint"
    shutil.copytree(judge.folder, folder)
    description = json.loads((folder / "chosen.json").read_text())
    description["experiment"]["teacher"]["weights"] = str(tmp_path / "gone.safetensors")
    (folder / "chosen.json").write_text(json.dumps(description))
    run_id = runs.run(checkpoint=False)
    runs.store.client.log_artifacts(run_id, str(folder), "checkpoint")
    for name, weights in (("here", "default"), ("wrong", "random")):
        state = teacher_backbone(TeacherConfig(weights=weights)).state_dict()
        safetensors.torch.save_file({k: v.contiguous() for k, v in state.items()}, tmp_path / f"{name}.safetensors")
    with pytest.raises(ConfigError, match=r"no weights file at .*gone.safetensors"):
        register(run_id, "moved-teacher", None, runs.store.uri)
    wrong = {"teacher.weights": str(tmp_path / "wrong.safetensors")}
    with pytest.raises(ConfigError, match="was trained with another teacher"):
        register(run_id, "moved-teacher", None, runs.store.uri, changes=wrong)
    here = tmp_path / "here.safetensors"
    done = register(run_id, "moved-teacher", None, runs.store.uri, changes={"teacher.weights": str(here)})
    here.unlink()
    version = runs.store.client.get_model_version("moved-teacher", done.version)
    model = mlflow.pyfunc.load_model(str(runs.place(version)), model_config={"device": "cpu"})
    (row,) = model.predict(pd.DataFrame({"image": [judge.images[0].read_bytes()]}))
    assert row["score"] == pytest.approx(next(judge.model.predict(judge.images[0])).score, abs=1e-6)


def test_the_command(runs, capsys):
    run_id, uri = runs.run(), ["--tracking-uri", runs.store.uri]
    assert main(["register", run_id, "by-command", "--alias", "champion", *uri]) == 0
    assert capsys.readouterr().out == (
        f"by-command/1: bolt, seed 1, epoch 1, run {run_id}\n"
        "by-command@champion is version 1 now; no version had the alias\n"
    )
    assert main(["register", runs.run(0.95), "by-command", "--alias", "champion", *uri, "--json"]) == 0
    done = json.loads(capsys.readouterr().out)
    assert (done["version"], done["moved"], done["value_before"]) == ("2", True, pytest.approx(0.9))
    assert main(["register", runs.run(0.2), "by-command", "--alias", "champion", *uri]) == 0
    assert "stays at version 2, which is as good or better: the new one has 20.00 against 95.00 % (held-out " in (
        capsys.readouterr().out
    )
    assert main(["register", run_id, "by-command", "--alias", "v1", *uri]) == 2
    assert main(["register", run_id, "by-command", "--force", *uri]) == 2
    assert "--force moves an alias; name it with --alias" in capsys.readouterr().err


def ask(port, body):
    """What a server answers."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/invocations", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())


def wait_for(server, port, log):
    """Until it answers."""
    for _ in range(240):
        assert server.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=5) as answer:
                assert answer.status == 200
                return
        except OSError:
            time.sleep(0.5)
    raise AssertionError(log.read_text())


def stop(server):
    """The server and its workers, which are a process group of their own."""
    if server.poll() is None:
        os.killpg(server.pid, signal.SIGTERM)
    server.wait(timeout=30)


@pytest.mark.slow
def test_mlflow_serves_it(runs, champion, judge, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", "models:/bolts-served@champion"]
    command += ["--env-manager", "local", "--host", "127.0.0.1", "--port", str(port)]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # MLflow looks for uvicorn there
    environment = {**os.environ, "MLFLOW_TRACKING_URI": runs.store.uri, "PATH": path}
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        wait_for(server, port, tmp_path / "log")
        images = [base64.b64encode(path.read_bytes()).decode() for path in judge.images[:2]]
        body = {"dataframe_split": {"columns": ["image"], "data": [[one] for one in images]}, "params": {"rate": 0.05}}
        rows = ask(port, body)["predictions"]
        for row, found in zip(rows, judge.model.predict(judge.images[:2], 0.05), strict=True):
            assert_is(row, found)
        with pytest.raises(urllib.error.HTTPError) as refused:
            ask(port, {"dataframe_records": [{"image": base64.b64encode(b"no image").decode()}]})
        assert refused.value.code == 400
        assert "cannot decode the image 0" in refused.value.read().decode()
    finally:
        stop(server)
