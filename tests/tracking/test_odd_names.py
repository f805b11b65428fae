"""Names of people's files and folders on their way through MLflow."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from tracked import tracked_training

from rdpp.data import GOOD
from rdpp.tracking.artifacts.maps import load_maps
from rdpp.tracking.store.mlflow_store import Store
from rdpp.tracking.tree import MlflowTree


@pytest.fixture(scope="module")
def odd(tiny, store_uri, tmp_path_factory):
    """A finished run on a category of the tiny data set with odd names: its MLflow run and outcome."""
    root = tmp_path_factory.mktemp("odd")
    bolt = root / "bolt"
    shutil.copytree(Path(tiny.data.root) / "bolt", bolt)
    first, second = sorted(path.name for path in (bolt / "test").iterdir() if path.name != GOOD)[:2]
    for part, tail in (("test", ""), ("ground_truth", "_mask")):
        (bolt / part / first / "day1").mkdir()
        (bolt / part / first / f"000{tail}.png").rename(
            bolt / part / first / "day1" / os.fsdecode(b"\xff%s.png" % tail.encode())
        )
        (bolt / part / second).rename(bolt / part / "Kratzer (tief)")
    (bolt / "test/good/.hidden").touch()
    changes = {"data.root": str(root), "training.epochs": 1, "heatmaps": 9, "keep_maps": True, "name": "odd"}
    store = Store(store_uri)
    (outcome,) = tracked_training(store, tiny.with_overrides(changes))
    (run,) = store.search("tags.variant = 'odd' and tags.level = 'run'")
    return store, run, outcome, first


def test_metrics_of_odd_defect_types_are_found_again(odd):
    store, run, outcome, first = odd
    assert run.info.status == "FINISHED"
    assert {"image_auroc/defect_type/Kratzer (tief)", f"image_auroc/defect_type/{first}/day1"} <= outcome.metrics.keys()
    with MlflowTree(store=store) as tree:
        found = tree.find(outcome.spec)
    defined = {name: value for name, value in outcome.metrics.items() if not np.isnan(value)}
    assert {name: found.metrics[name] for name in defined} == pytest.approx(defined)


def test_what_was_passed_over_is_a_tag(odd):
    _, run, _, _ = odd
    wanted = {"passed_over": "1", "empty_masks": "0", "vanished_masks": "0", "masks": "all"}
    assert {name: run.data.tags[name] for name in wanted} == wanted


def test_files_whose_names_are_not_utf8_are_listed(odd):
    store, run, _, first = odd
    name = f"bolt/test/{first}/day1/\\xff.png"
    assert os.fsdecode(name.encode().replace(b"\\xff", b"\xff")) in load_maps(store, run.info.run_id).images
    assert name in {row[0] for row in store.read_json(run.info.run_id, "image_scores.json")["data"]}
    pictures = [path.name for path in Path(store.client.download_artifacts(run.info.run_id, "images")).rglob("*.jpg")]
    assert any(f"{first}_day1__xdcff_" in picture for picture in pictures)
