"""`reader: auto`: which layout is taken, and what is refused."""

import shutil

import pytest
from layouts import LAYOUTS, save, save_mask, write_btad, write_mpdd, write_mvtec_ad, write_real_iad

from rdpp.config import ConfigError
from rdpp.data import READERS, described, list_categories, reader_at, scan
from rdpp.data.readers import MvtecAd
from rdpp.data.readers.real_iad import RealIad

RECOGNISED = [name for name in LAYOUTS if name != "folder"]


@pytest.mark.parametrize("name", RECOGNISED)
def test_every_layout_is_recognised_by_names_alone(name, tmp_path, monkeypatch):
    LAYOUTS[name](tmp_path)
    monkeypatch.setattr("PIL.Image.open", lambda *_: pytest.fail("an image is opened"))
    assert reader_at(tmp_path, "auto") == READERS[name]()
    assert list_categories(tmp_path) == list_categories(tmp_path, name)


@pytest.mark.parametrize("name", RECOGNISED)
def test_the_same_is_found_with_the_name_and_without(name, tmp_path):
    LAYOUTS[name](tmp_path)
    for category in list_categories(tmp_path):
        assert scan(tmp_path, category) == scan(tmp_path, category, name)


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_stray_image_is_told(name, tmp_path):
    LAYOUTS[name](tmp_path)
    reader = READERS[name]()
    category = reader.categories(tmp_path)[0]
    save(reader.folder(tmp_path, category) / "stray.png", 99)
    found = scan(tmp_path, category, name).passed_over
    assert [path.name for path in found["no part of the layout"]] == ["stray.png"]


def test_mpdd_has_the_layout_of_mvtec_ad(tmp_path):
    write_mpdd(tmp_path)
    assert described(reader_at(tmp_path, "auto")) == "MVTec AD (data.reader: mvtec_ad)"
    found = scan(tmp_path, "tubes")
    assert (len(found.train), [item.defect_type for item in found.test]) == (2, ["anomalous"] * 2 + ["good"] * 2)
    assert found.passed_over == {}


@pytest.mark.parametrize("gone", [("test", "ground_truth"), ("test", "ground_truth", "train/good")])
def test_a_tree_of_mvtec_ad_is_recognised_before_its_test_images_are_there(tmp_path, gone):
    write_mvtec_ad(tmp_path)
    for place in gone:
        for category in ("nut", "bolt"):
            shutil.rmtree(tmp_path / category / place)
    assert reader_at(tmp_path, "auto") == MvtecAd()


def test_other_folders_beside_the_categories_do_not_matter(tmp_path):
    write_mvtec_ad(tmp_path)
    (tmp_path / "notes").mkdir()
    save(tmp_path / "nut/validation/good/0.png", 0)
    assert reader_at(tmp_path, "auto") == MvtecAd()


def test_two_layouts_in_one_folder_are_refused(tmp_path):
    write_mvtec_ad(tmp_path)
    write_btad(tmp_path)
    expected = r"fits several layouts: mvtec_ad \(bolt, nut\); btad \(01, 02, 03\); name one in data.reader, or lay"
    with pytest.raises(ConfigError, match=expected):
        scan(tmp_path, "nut")
    assert list_categories(tmp_path, "btad") == ["01", "02", "03"]


def test_no_layout_lists_the_choices(tmp_path):
    save(tmp_path / "ok" / "0.png", 0)
    expected = (
        r"has no layout that is recognised, such as MVTec AD's \(CATEGORY/train/good.*\); give another folder with "
        rf"--data DIR, or name its layout in data.reader: {', '.join(READERS)} \(folder takes any tree"
    )
    with pytest.raises(ConfigError, match=expected):
        list_categories(tmp_path)


@pytest.mark.parametrize("name", ["mvtec_ad", "btad", "mvtec_ad_2", "dagm"])
def test_a_category_itself_is_refused_with_advice(name, tmp_path):
    LAYOUTS[name](tmp_path)
    category = tmp_path / list_categories(tmp_path)[0]
    with pytest.raises(ConfigError, match=f"it is a category itself: give the folder above it with --data {tmp_path}"):
        list_categories(category)


def test_labels_that_are_not_public_are_unknown(tmp_path):
    LAYOUTS["mvtec_ad_2"](tmp_path)
    left_out = READERS["mvtec_ad_2"]().left_out(tmp_path, "can")
    assert {why: len(items) for why, items in left_out.items()} == {"validation image": 2, "label not public": 4}
    assert {item.label for item in left_out["label not public"]} == {None}
    assert {item.label for item in scan(tmp_path, "can").test} == {True, False}
    assert len(scan(tmp_path, "can").passed_over["label not public"]) == 4


@pytest.mark.parametrize("name", ["kolektor_sdd2", "dagm"])
def test_defects_in_the_training_split_are_left_out_and_told(name, tmp_path):
    LAYOUTS[name](tmp_path)
    found = scan(tmp_path, list_categories(tmp_path)[0])
    assert (len(found.train), [item.label for item in found.test].count(True)) == (3, 1)
    assert len(found.passed_over["defective, in the training split"]) == 1


def test_the_split_of_kolektor_sdd(tmp_path):
    LAYOUTS["kolektor_sdd"](tmp_path)
    found = scan(tmp_path, "KolektorSDD")
    tested = [item.path.as_posix() for item in found.test if not item.label]
    assert tested == ["kos01/Part0.jpg", "kos01/Part6.jpg", "kos02/Part3.jpg"]
    assert [item.path.as_posix() for item in found.test if item.label] == ["kos01/Part5.jpg", "kos02/Part5.jpg"]
    assert len(found.train) == 11


def test_in_kolektor_sets_nothing_but_the_mask_says_whether_an_image_is_defective(tmp_path):
    LAYOUTS["kolektor_sdd2"](tmp_path)
    (tmp_path / "train/10001_GT.png").unlink()
    with pytest.raises(ConfigError, match=r"train/10001.png has no mask 10001_GT, and in KolektorSDD2 the mask alone"):
        scan(tmp_path, "KolektorSDD2")


def test_labels_and_masks_of_dagm_must_agree(tmp_path):
    LAYOUTS["dagm"](tmp_path)
    save_mask(tmp_path / "Class1/Test/Label/0001_label.PNG", 255)
    with pytest.raises(
        ConfigError, match=r"Labels.txt and the masks beside it do not agree on 0001.PNG: it has a mask"
    ):
        scan(tmp_path, "Class1")
    (tmp_path / "Class1/Test/Label/Labels.txt").unlink()
    assert [item.label for item in scan(tmp_path, "Class1").test] == [True, False, True, False]


def test_all_masks_of_a_logical_anomaly_are_taken(tmp_path):
    LAYOUTS["mvtec_loco"](tmp_path)
    test = scan(tmp_path, "pushpins").test
    masks = {item.path.as_posix(): [path.as_posix() for path in item.masks] for item in test if item.label}
    top = "pushpins/ground_truth/logical_anomalies"
    assert masks["pushpins/test/logical_anomalies/001.png"] == [f"{top}/001/000.png", f"{top}/001/001.png"]


@pytest.mark.parametrize("lists", ["realiad_jsons", "realiad_jsons/realiad_jsons"])
def test_real_iad_counts_views(tmp_path, lists):
    write_real_iad(tmp_path, lists, "realiad_256")
    found = scan(tmp_path, "audiojack")
    assert (len(found.train), len(found.test)) == (10, 15)
    assert [item.defect_type for item in found.test if item.label] == ["BX"] * 4  # one view does not show it


def test_real_iad_in_two_sizes_is_refused(tmp_path):
    write_real_iad(tmp_path)
    write_real_iad(tmp_path, size="realiad_256")
    with pytest.raises(ConfigError, match=r"'toy' is in .* in several sizes, realiad_1024, realiad_256; give a folder"):
        RealIad().train(tmp_path, "toy")


@pytest.mark.parametrize(("name", "category"), [("visa", "candle"), ("real_iad", "toy")])
def test_files_that_a_list_names_must_be_there(name, category, tmp_path):
    LAYOUTS[name](tmp_path)
    first = READERS[name]().train(tmp_path, category)[0].path
    (tmp_path / first).unlink()
    with pytest.raises(ConfigError, match=rf"1 of \d+ files that .* names are missing, first .*{first.name}; fetch"):
        scan(tmp_path, category)


def test_a_broken_list_is_told(tmp_path):
    LAYOUTS["visa"](tmp_path)
    split = tmp_path / "split_csv/1cls.csv"
    text = split.read_text()
    for old, new, message in (
        ("object,split", "what,split", "1cls.csv lacks 'object'"),
        ("anomaly,", "anomalous,", r"unknown label 'anomalous' in .*1cls.csv; choices: normal, anomaly"),
        ("candle/Data/Images/Normal/0000", "../0000", r"1cls.csv names '\.\./0000.JPG', which is not below"),
        (",train,", ",test,", "no good training images"),
        ("test,anomaly", "train,anomaly", "has defective images in the split train"),
    ):
        split.write_text(text.replace(old, new))
        with pytest.raises(ConfigError, match=message):
            scan(tmp_path, "candle")
