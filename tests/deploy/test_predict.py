"""`rdpp predict`: images in, a table and maps out."""

import csv
import io
import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from rdpp.cli import main
from rdpp.deploy.files import own_names
from rdpp.display.predictions import print_predictions


@pytest.fixture
def photos(judge, tmp_path):
    """A folder with two images of one name in folders of their own, and a third in capital letters."""
    folder = tmp_path / "photos"
    for image, name in zip(judge.images, ("a/0.png", "b/0.png", "1.PNG"), strict=False):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(image, folder / name)
    return folder


@pytest.fixture
def predict(judge, tmp_path, capsys):
    """Run the command; its exit code, its rows and what it printed."""

    def go(*arguments, model=judge.folder):
        out = tmp_path / "out"
        command = ["predict", *map(str, arguments), "--model", str(model), "--out", str(out), "--device", "cpu"]
        code = main(command)
        lines = out / "predictions.jsonl"
        rows = [json.loads(line) for line in lines.read_text().splitlines()] if lines.exists() else None
        return code, rows, capsys.readouterr()

    return go


def score_of(judge, place):
    return pytest.approx(float(judge.result.evaluation.prediction.image_scores[place]), abs=1e-6)


def test_a_folder(predict, photos, judge, tmp_path):
    code, rows, printed = predict(photos, "--threshold", 0.0, "--maps", "overlay,png16,npy")
    assert code == 0
    assert [row["image"] for row in rows] == [str(photos / name) for name in ("1.PNG", "a/0.png", "b/0.png")]
    assert [row["score"] for row in rows] == [score_of(judge, place) for place in (2, 0, 1)]
    assert [row["defective"] for row in rows] == [True] * 3
    assert rows[1]["maps"] == {kind: f"maps/a/0.png{end}" for kind, end in ENDS.items()}
    assert "DEFECTIVE" in printed.out
    assert "3 images in " in printed.err
    assert " a second, 3 of 3 defective; see " in printed.err
    with (tmp_path / "out/predictions.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [float(row["score"]) for row in table] == [row["score"] for row in rows]
    assert table[0]["defective"] == "true"
    region = rows[0]["regions"][0]
    told = [int(table[0][key]) for key in ("left", "top", "width", "height", "area", "peak_x", "peak_y")]
    assert told == [*(region[key] for key in ("left", "top", "width", "height", "area")), *region["peak"]]


ENDS = {"overlay": ".overlay.png", "png16": ".map.png", "npy": ".npy"}


def test_maps_have_the_images_own_size_and_a_stated_scale(predict, judge, tmp_path):
    with Image.open(judge.images[0]) as image:
        image.resize((90, 150)).save(tmp_path / "high.png")
    _, (row,), _ = predict(tmp_path / "high.png", "--maps", "npy,png16,overlay")
    files = {kind: tmp_path / "out" / path for kind, path in row["maps"].items()}
    exact = np.load(files["npy"], allow_pickle=False)
    assert (exact.shape, exact.dtype) == ((150, 90), np.float32)
    assert exact.max() <= row["score"]
    with Image.open(files["png16"]) as image:
        assert image.mode == "I;16"
        grey = np.asarray(image).astype(float)
    scale = row["png16_scale"]
    restored = scale["black"] + grey / 65535 * (scale["white"] - scale["black"])
    np.testing.assert_allclose(restored, exact, rtol=0, atol=scale["white"] / 65535)
    with Image.open(files["overlay"]) as image:
        assert (image.size, image.mode) == ((90, 150), "RGB")


def test_regions_are_outlined(predict, photos, judge, tmp_path):
    median = float(np.median(judge.result.evaluation.prediction.anomaly_maps[0]))
    _, (row,), _ = predict(photos / "a/0.png", "--threshold", median)
    with Image.open(tmp_path / "out" / row["maps"]["overlay"]) as image:
        green = (np.asarray(image) == (0, 255, 120)).all(2)
    assert 0 < green.mean() < 0.2


def test_globs_lists_and_images_named_twice(predict, photos, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{photos}/a/0.png\n\n{photos}/1.PNG\n"))
    code, rows, _ = predict(f"{photos}/*/0.png", "-", photos / "b", "--maps", "none")
    assert code == 0
    assert [row["image"] for row in rows] == [f"{photos}/{name}" for name in ("a/0.png", "b/0.png", "1.PNG")]
    assert rows[0]["maps"] == {}


def test_what_was_written_before_is_no_image(predict, photos, tmp_path):
    predict(photos)
    code, rows, _ = predict(tmp_path)
    assert (code, len(rows)) == (0, 3)
    shutil.move(photos, tmp_path / "out" / "photos")
    for given in (tmp_path / "out", tmp_path / "out" / "photos"):
        code, rows, _ = predict(given)
        assert (code, len(rows)) == (0, 3)
    shutil.move(tmp_path / "out" / "photos" / "1.PNG", tmp_path / "out" / "maps" / "1.PNG")
    assert predict(tmp_path / "out" / "maps" / "1.PNG")[0] == 0  # who names a file means it


def test_a_broken_image_is_told_and_the_rest_are_done(predict, photos, tmp_path):
    (photos / "a/1.png").write_bytes(b"no image")
    code, rows, printed = predict(photos, "--json", "--maps", "none")
    assert code == 1
    assert json.loads(printed.out) == rows
    assert [row["image"] for row in rows if "error" in row] == [str(photos / "a/1.png")]
    assert f"rdpp: cannot decode the image {photos}/a/1.png" in printed.err
    assert "1 could not be read" in printed.err
    with (tmp_path / "out/predictions.csv").open() as file:
        (wrong,) = (row for row in csv.DictReader(file) if row["error"])
    assert (wrong["image"], wrong["score"]) == (str(photos / "a/1.png"), "")


def test_a_huge_image_is_refused_where_it_is_not_allowed(predict, photos):
    code, rows, printed = predict(photos, "--set", "data.max_megapixels=0.004")
    assert code == 1
    assert all("more than data.max_megapixels (0.004)" in row["error"] for row in rows)
    assert "megapixels" in printed.err


def test_without_thresholds_the_way_to_them_is_told(predict, photos, plain_judge):
    code, rows, printed = predict(photos, model=plain_judge.folder)
    assert code == 0
    assert {row["defective"] for row in rows} == {None}
    assert printed.err.startswith("rdpp: scores without verdict: the model has no thresholds")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gone/*.png"], r"no image at gone/\*.png; name files"),
        (["-"], "no image on standard input"),
        (["."], r"no image below the folder \."),
    ],
)
def test_no_images(predict, monkeypatch, tmp_path, arguments, message):
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    code, rows, printed = predict(*arguments)
    assert (code, rows) == (2, None)
    assert len(printed.err.splitlines()) == 1
    assert re.search(message, printed.err)


def test_flags_that_do_not_fit(predict, photos):
    assert predict(photos, "--batch-size", 0)[0] == 2
    code, _, printed = predict(photos, "--maps", "overlays")
    assert code == 2
    assert "unknown kind of map 'overlays', did you mean 'overlay'?" in printed.err
    code, _, printed = predict(photos, model="nothing")
    assert code == 2
    assert "'nothing' is no model" in printed.err


def test_names_of_images_without_a_common_folder(tmp_path):
    images = [tmp_path / "x.png", tmp_path / "y" / ".." / "y" / "x.png"]
    assert [name.as_posix() for name in own_names(images)] == ["x.png", "y/x.png"]
    assert own_names([tmp_path / "x.png"]) == [own_names(images)[0]]


@pytest.mark.parametrize("width", [80, 120])
def test_a_long_name_keeps_its_end_on_one_line(capsys, tmp_path, monkeypatch, width):
    console = Console(width=width, color_system=None)
    monkeypatch.setattr("rdpp.display.predictions.output_console", lambda: console)
    region = {"left": 1049, "top": 1000, "width": 6596, "height": 6595, "area": 24933392}
    row = {"defective": True, "threshold": 0.5, "regions": [region]}
    names = ["short.png", "data/synthetic/bolt/test/missing_mark/" + 9 * "deep/" + "012.png", 30 * "図" + ".png"]
    rows = [{"image": name, "score": 1 - i / 10, **row} for i, name in enumerate(names)]
    print_predictions(rows, tmp_path, 2.0, as_json=False)
    shown = [line.split("  ")[0].strip() for line in capsys.readouterr().out.splitlines()]
    shown = [line for line in shown if line.endswith(".png")]
    assert shown[0] == "short.png"
    for name, part in zip(names[1:], shown[1:], strict=True):
        assert part[0] == "…"
        assert name.endswith(part[1:])
        assert part.endswith(".png")
    print_predictions(rows, tmp_path, 2.0, as_json=True)
    assert [row["image"] for row in json.loads(capsys.readouterr().out)] == names


def test_a_long_table_is_cut_off(capsys, tmp_path):
    row = {"defective": None, "threshold": None, "regions": []}
    print_predictions([{"image": f"{i}.png", "score": i, **row} for i in range(30)], tmp_path, 2.0, as_json=False)
    printed = capsys.readouterr()
    assert "the 20 highest scores of 30 images" in printed.out
    assert "29.png" in printed.out
    assert " 9.png" not in printed.out
    assert "30 images in 2.0 s, 15.0 a second; see" in printed.err
