"""Small data sets in the true layouts of those that have readers: folders, names, file kinds and grey values."""

import csv
import json

import numpy as np
from PIL import Image

from rdpp.data import GOOD
from rdpp.data.readers import mvtec_ad

SIZE = (6, 8)


def save(path, seed):
    """A picture of noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, SIZE, dtype=np.uint8)).save(path)


def save_mask(path, *values):
    """A grey mask: 0, and below each other a pixel of each value."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros(SIZE, np.uint8)
    for row, value in enumerate(values):
        pixels[row, 2:5] = value
    Image.fromarray(pixels).save(path)


def write_mvtec_ad(root):
    """Categories `nut` and `bolt`; files are made in an order that is not theirs."""
    for category in (root / "nut", root / "bolt"):
        for number in (2, 0, 1):
            save(mvtec_ad.train_folder(category) / f"{number}.png", number)
            for defect_type in ("split", "bent", GOOD):
                save(mvtec_ad.test_folder(category, defect_type) / f"{number}.png", 10 + number)
                if defect_type != GOOD:
                    save(mvtec_ad.mask_path(category, defect_type, f"{number}.png"), 20 + number)


def write_mpdd(root):
    """MPDD: MVTec AD's layout."""
    for name in ("tubes", "bracket_black"):
        for i in range(2):
            save(root / name / f"train/good/{i:03}.png", i)
            save(root / name / f"test/good/{i:03}.png", 10 + i)
            save(root / name / f"test/anomalous/{i:03}.png", 20 + i)
            save_mask(root / name / f"ground_truth/anomalous/{i:03}_mask.png", 255)


def write_mvtec_ad_2(root):
    for name in ("vial", "can"):
        for i in range(2):
            save(root / name / f"train/good/{i:03}_regular.png", i)
            save(root / name / f"validation/good/{i:03}_regular.png", 10 + i)
            for light in ("regular", "overexposed"):
                save(root / name / f"test_public/good/{i:03}_{light}.png", 20 + i)
                save(root / name / f"test_public/bad/{i:03}_{light}.png", 30 + i)
                save_mask(root / name / f"test_public/ground_truth/bad/{i:03}_{light}_mask.png", 255)
            save(root / name / f"test_private/{i:03}_regular.png", 40 + i)
            save(root / name / f"test_private_mixed/{i:03}_mixed.png", 50 + i)
        (root / name / "license.txt").write_text("CC BY-NC-SA 4.0")


def write_mvtec_loco(root):
    for name in ("screw_bag", "pushpins"):
        for i in range(2):
            save(root / name / f"train/good/{i:03}.png", i)
            save(root / name / f"validation/good/{i:03}.png", 10 + i)
            save(root / name / f"test/good/{i:03}.png", 20 + i)
            for kind, value in (("logical_anomalies", 251), ("structural_anomalies", 238)):
                save(root / name / f"test/{kind}/{i:03}.png", 30 + i)
                for j in range(1 + i):
                    save_mask(root / name / f"ground_truth/{kind}/{i:03}/{j:03}.png", value - j)
        defect = {"defect_name": "missing", "pixel_value": 251, "saturation_threshold": 1, "relative_saturation": True}
        (root / name / "defects_config.json").write_text(json.dumps([defect]))


def write_visa(root):
    rows = []
    for name in ("pcb1", "candle"):
        for i in range(4):
            image = f"{name}/Data/Images/Normal/{i:04}.JPG"
            save(root / image, i)
            rows.append((name, "train" if i % 2 else "test", "normal", image, ""))
        for i in range(2):
            image, mask = f"{name}/Data/Images/Anomaly/{i:03}.JPG", f"{name}/Data/Masks/Anomaly/{i:03}.png"
            save(root / image, 10 + i)
            save_mask(root / mask, 1, *range(3, 3 + i))
            rows.append((name, "test", "anomaly", image, mask))
        (root / name / "image_anno.csv").write_text("image,label,mask\n")
    (root / "split_csv").mkdir(exist_ok=True)
    for split in ("1cls", "2cls_fewshot"):
        with (root / f"split_csv/{split}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("object", "split", "label", "image", "mask"), *rows])


def write_btad(root):
    for name, image, mask in (("03", "bmp", "bmp"), ("01", "bmp", "png"), ("02", "png", "png")):
        for i in range(2):
            save(root / name / f"train/ok/{i:04}.{image}", i)
            save(root / name / f"test/ok/{i:04}.{image}", 10 + i)
            save(root / name / f"test/ko/{i:04}.{image}", 20 + i)
            save_mask(root / name / f"ground_truth/ko/{i:04}.{mask}", 255)


def write_real_iad(root, lists="realiad_jsons/realiad_jsons", size="realiad_1024"):
    for name in ("toy", "audiojack"):
        halves = {"train": [], "test": []}
        for part in range(1, 5):
            for view in range(1, 6):
                image = f"OK/S{part:04}/{name}_{part:04}_OK_C{view}_20231021101010.jpg"
                save(root / size / name / image, 10 * part + view)
                entry = {"category": name, "anomaly_class": "OK", "image_path": image, "mask_path": None}
                halves["train" if part % 2 else "test"].append(entry)
        for view in range(1, 6):
            image = f"NG/BX/S0005/{name}_0005_NG_BX_C{view}_20231021101010.jpg"
            save(root / size / name / image, 50 + view)
            seen = view != 3
            mask = image.replace(".jpg", "_mask.png") if seen else None
            if mask:
                save_mask(root / size / name / mask, 255)
            kind = "BX" if seen else "OK"
            halves["test"].append({"category": name, "anomaly_class": kind, "image_path": image, "mask_path": mask})
        meta = {"prefix": f"{name}/", "normal_class": "OK", "pre_transform": {}}
        (root / lists).mkdir(parents=True, exist_ok=True)
        (root / lists / f"{name}.json").write_text(json.dumps({"meta": meta, **halves}))


def write_kolektor_sdd(root):
    """Part5 of each part is defective."""
    for part in ("kos02", "kos01"):
        for i in range(8):
            save(root / part / f"Part{i}.jpg", i)
            save_mask(root / part / f"Part{i}_label.bmp", *([255] if i == 5 else []))


def write_kolektor_sdd2(root):
    for half, first in (("test", 20000), ("train", 10000)):
        for i in range(4):
            save(root / half / f"{first + i}.png", first + i)
            save_mask(root / half / f"{first + i}_GT.png", *([255] if i == 2 else []))


def write_dagm(root):
    for name in ("Class2", "Class1"):
        for half, first in (("Train", 576), ("Test", 1)):
            rows = ["1"]
            for i in range(4):
                number, defective = f"{first + i:04}", i == 2
                save(root / name / half / f"{number}.PNG", first + i)
                mask = f"{number}_label.PNG" if defective else "0"
                rows.append(f"{i + 1}\t{int(defective)}\t{number}.PNG\t0\t{mask}")
                if defective:
                    save_mask(root / name / half / "Label" / mask, 255)
            (root / name / half / "Label" / "Labels.txt").write_text("\r\n".join(rows) + "\r\n")


def write_folder(root):
    """What `Folder` expects without settings."""
    for i in range(10):
        save(root / f"good/{i}.png", i)
    for i in range(3):
        save(root / f"defective/scratch/{i}.png", 20 + i)


LAYOUTS = {
    "mvtec_ad": write_mvtec_ad,
    "mvtec_ad_2": write_mvtec_ad_2,
    "mvtec_loco": write_mvtec_loco,
    "visa": write_visa,
    "btad": write_btad,
    "real_iad": write_real_iad,
    "kolektor_sdd": write_kolektor_sdd,
    "kolektor_sdd2": write_kolektor_sdd2,
    "dagm": write_dagm,
    "folder": write_folder,
}
