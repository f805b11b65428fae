"""Any name of a category, a defect type or a file goes into MLflow, and comes back."""

import json
from pathlib import Path

import numpy as np
import pytest
from mlflow.utils.validation import _validate_metric_name

from rdpp.metrics import METRICS, of_defect_type
from rdpp.tracking.conventions.location import work_folder
from rdpp.tracking.conventions.metric_names import TEST, chosen_metrics
from rdpp.tracking.conventions.names import LONGEST, from_key, printable, to_key, to_picture_key
from rdpp.tracking.outbox.records import read_record, write_record
from rdpp.tracking.sink import StoreSink
from rdpp.tracking.store.mlflow_store import Store

ODD = [
    "scratch (deep)",
    "bent,lead",
    "Kratzer_ä",
    "Kratzer_a\u0308",  # as macOS writes it
    "划痕",
    "a#b",
    "100%",
    "100%25",
    "it's",
    'a "b"',
    "a+b",
    "M6x20 [zinc]",
    "what?",
    "10:00:00",
    "a_x28_b",
    "_x5f_",
    "scratch/day 1",
    "..",
    "a\\b",
    "a\nb",
    "caf\udce9",  # a byte that is no UTF-8
    "🔩",
]


@pytest.mark.parametrize("name", ODD)
def test_a_key_is_one_that_mlflow_takes_and_gives_the_name_back(name):
    key = to_key(f"image_auroc/{name}")
    _validate_metric_name(key)
    key.encode()
    assert from_key(key) == f"image_auroc/{name}"


def test_different_names_have_different_keys():
    assert len({to_key(name) for name in ODD}) == len(ODD)


@pytest.mark.parametrize("name", ["image_auroc/defect_type/scratch", "loss_weighted/ssot", "a b.c-d", "__x", "x5f_"])
def test_an_ordinary_name_is_its_own_key(name):
    assert to_key(name) == name


def test_very_long_names_stay_apart():
    first, second = (to_key("n" * 400 + end) for end in "ab")
    assert first != second
    assert len(first) == len(second) == LONGEST


@pytest.mark.parametrize("name", ["划" * 100, "#" * 200])
def test_a_pictures_key_fits_into_a_files_name(name):
    assert len(to_picture_key(name).encode()) <= 120


def test_text_that_is_no_utf8_is_shown_as_its_bytes():
    assert printable({"caf\udce9": ["\udce9", 1, None]}) == {"caf\\xe9": ["\\xe9", 1, None]}


def test_a_run_full_of_odd_names_is_logged_and_read(store_uri, tmp_path):
    store = Store(store_uri)
    sink = StoreSink(store, work_folder(store_uri))

    def write(kind, **payload):
        write_record(tmp_path / "record", kind, payload, 1, tmp_path)
        sink.write(read_record(tmp_path / "record", "odd", tmp_path), None)

    names = [of_defect_type(metric, odd) for odd in ODD for metric in METRICS]
    write("open", name='it\'s "a" 划痕 \udce9', parent=None, tags={"category": "\udce9 划痕"})
    write("series", points=[(TEST + name, number, 0) for number, name in enumerate(names)])
    write("params", params={f"training.epochs.{odd}": odd for odd in ODD})
    write("tags", tags={f"best/{odd}": odd for odd in ODD})
    write("json", path="names.json", data=ODD)
    pixels = np.zeros((8, 8, 3), np.uint8)
    shown = {"mask": pixels[..., 0] > 0, "anomaly_map": np.zeros((8, 8), np.float32), "title": "划痕 \udce9"}
    whether = {"defective": True, "score": 0.1, "epoch": 1, "scale": (0.0, 1.0, 0.5), "step": 0}
    pictures = [{"key": f"miss/{odd}", "pixels": pixels, **shown, **whether} for odd in ODD[::4]]
    write("pictures", pictures=pictures)
    write("close", status="FINISHED", tags={})
    run = store.client.get_run(sink.run_id("odd"))
    assert chosen_metrics(run.data.metrics) == {name: float(number) for number, name in enumerate(names)}
    assert run.data.tags["category"] == "\\xe9 划痕"
    assert store.read_json(run.info.run_id, "names.json") == json.loads(json.dumps(printable(ODD)))
    images = Path(store.client.download_artifacts(run.info.run_id, "images"))
    assert len(list(images.rglob("*.jpg"))) == len(ODD[::4])
