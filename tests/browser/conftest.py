"""A small study that nobody trained, `rdpp ui` over it, and a browser."""

import base64
import io
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from tracked import PLAIN, Quiet

from rdpp.comparison import map_grid
from rdpp.comparison.report import write_report
from rdpp.runs import Outcome
from rdpp.sweep.config import SamplerConfig, SweepConfig
from rdpp.sweep.job import StudyJob
from rdpp.sweep.space import Choice, FloatRange
from rdpp.sweep.study import open_study, open_study_node, run_study
from rdpp.tracking.artifacts.gallery import Frame, gallery_page
from rdpp.tracking.artifacts.pictures import log_pictures
from rdpp.tracking.conventions.artifacts import GALLERY
from rdpp.tracking.store.mlflow_store import Store
from rdpp.tracking.tree import MlflowTree

CHROMIUM = "/usr/bin/chromium"
"""Debian's; Playwright's own would have to be downloaded."""
VALUES = (0.6, 0.9, 0.7, 0.8)
"""Of the trials' objective, by number."""
RED, GREEN = (200, 0, 0), (0, 200, 0)
"""Colours of pictures."""


@pytest.fixture(scope="session")
def browser():
    """Chromium."""
    playwright = pytest.importorskip("playwright.sync_api", reason="no playwright; it is in the group dev")
    if shutil.which(CHROMIUM) is None:
        pytest.skip(f"no {CHROMIUM}: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser):
    """A page that has seen nothing yet, and reaches this machine alone."""
    context = browser.new_context(viewport={"width": 2600, "height": 1000})
    context.route("**", lambda route: route.continue_() if is_here(route.request.url) else route.abort())
    yield context.new_page()
    context.close()


def is_here(url):
    """Whether an address needs no network."""
    return url.startswith(("http://127.0.0.1:", "file:", "data:", "blob:"))


@pytest.fixture(scope="session")
def seen(held_out, new_store, new_storage, tmp_path_factory):
    """The store of a study whose runs came to what VALUES says, and MLflow's id of the study's run."""
    folder = tmp_path_factory.mktemp("seen")
    space = {"losses.distillation.weight": FloatRange(0.01, 1.0, log=True), "training.batch_size": Choice((2, 3))}
    experiment = held_out.with_overrides({**PLAIN, "seeds": [1, 2]})
    sweep = SweepConfig("seen", experiment, space, len(VALUES), sampler=SamplerConfig("random"), pruner="none")
    store = Store(new_store(folder / "mlflow.db"))
    with MlflowTree(store=store) as tree:
        points = open_study(sweep, new_storage(folder / "optuna.db"), tree.work)
        node = open_study_node(sweep, points, tree)
        job = StudyJob(sweep, points, tree, node, "none", sweep.experiment, Quiet())
        run_study(job, lambda: settle_all(job))
        run_id = tree.run_id(node)
    return store, run_id


def settle_all(job):
    """End every run as if it had been trained; seeds lie 0.02 apart."""
    while not job.done():
        for plan in job.ready():
            value = VALUES[plan.ticket[0].number] + (0.01 if plan.spec.seed == 1 else -0.01)
            deciding = dict.fromkeys(("image_auroc", "pixel_aupro"), value)
            test = dict.fromkeys(deciding, value - 0.1)
            job.settle(plan, Outcome(spec=plan.spec, run_id=None, epoch=1, metrics=test, deciding=deciding, steps=1))
        job.open_more()


@pytest.fixture(scope="session")
def gallery(seen):
    """A run with a gallery of one missed image: its map is black at epoch 1, and yellow at the chosen epoch 4."""
    store, study = seen
    run_id = store.start_run("gallery", parent=study, tags={"level": "picture"})
    pixels, mask = np.zeros((64, 64, 3), np.uint8), np.zeros((64, 64), bool)
    pixels[..., 0] = RED[0]
    shown = {"key": "miss/1_hole", "pixels": pixels, "mask": mask, "title": "hole/000.png", "score": 0.1}
    shown |= {"defective": True, "scale": (0.0, 1.0, 0.5)}
    maps = [np.full((64, 64), value, np.float32) for value in (0.0, 1.0, 0.5)]
    frames = [{**shown, "step": i, "epoch": e, "anomaly_map": maps[i]} for i, e in enumerate((1, 4, 9))]
    log_pictures(store, run_id, pictures=frames, about="bolt, seed 1", chosen=4)
    store.end_run(run_id, "FINISHED", {})
    return run_id


@pytest.fixture(scope="session")
def report(small, tmp_path_factory):
    """The page of an ablation whose runs logged heatmaps, and stored no maps."""
    _, store, _ = small
    path = tmp_path_factory.mktemp("report") / "report.html"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(map_grid, "load_maps", lambda *arguments: None)
        patched.setattr(Store, "read_text", _with_gallery(Store.read_text))
        return write_report("small", path, store.uri)


def _with_gallery(read):
    """Reads artifacts, and for each run a gallery whose only map is green."""

    def read_text(store, run_id, name):
        if name != GALLERY:
            return read(store, run_id, name)
        image = io.BytesIO()
        Image.new("RGB", (32, 32), GREEN).save(image, "WEBP", lossless=True)
        uri = f"data:image/webp;base64,{base64.b64encode(image.getvalue()).decode()}"
        return gallery_page([Frame("miss/1_a", "hole/000.png", 1, "MISSED", "", uri, uri)], "", 1)

    return read_text


@pytest.fixture(scope="session")
def ui(seen):
    """`rdpp ui` over the store: what it says, by the name of the page."""
    command = [sys.executable, "-m", "rdpp", "ui", "--port", "0", "--tracking-uri", seen[0].uri]
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    server = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    said = []
    for line in server.stderr:
        said.append(line.rstrip())
        if line.startswith("Ctrl-C"):
            break
    yield dict(line.rsplit(": ", 1) for line in said if ": http" in line)
    server.send_signal(signal.SIGTERM)
    rest = server.communicate(timeout=60)[1]
    assert server.returncode == 143
    assert "Traceback" not in "\n".join(said) + rest
