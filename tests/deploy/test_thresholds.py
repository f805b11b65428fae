"""`rdpp thresholds`: what a model's thresholds are, and new ones."""

import json
import shutil

import pytest

from rdpp.cli import main
from rdpp.deploy import load
from rdpp.tracking.store.mlflow_store import Store


def test_those_of_a_run_with_held_out_images(judge, capsys):
    assert main(["thresholds", str(judge.folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == judge.result.thresholds.to_mapping()
    assert main(["thresholds", str(judge.folder)]) == 0
    printed = capsys.readouterr().out
    assert "thresholds from 8 good images (held-out images)" in printed
    assert "needs 99 good images" in printed


@pytest.mark.parametrize("kept", ["on disk", "with a run"])
def test_new_ones_are_stored_with_the_checkpoint(plain_judge, store_uri, tmp_path, capsys, kept):
    source = tmp_path / "copy"
    shutil.copytree(plain_judge.folder, source)
    if kept == "with a run":
        store = Store(store_uri)
        run_id = store.start_run("bolt", tags={"level": "run"})
        store.client.log_artifacts(run_id, str(source), "checkpoint")
        shutil.rmtree(source)
        source = run_id
    where = [str(source), "--tracking-uri", store_uri]
    assert main(["thresholds", *where]) == 2
    assert "has no thresholds, since its run held no images out; --folds 5 trains 5 more" in capsys.readouterr().err
    assert main(["thresholds", *where, "--folds", "2", "--device", "cpu", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["origin"], printed["images"]) == ("cross-fitted, 2 folds", 5)
    assert load(source, "cpu", store_uri).thresholds.to_mapping() == printed
