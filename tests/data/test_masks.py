"""Mask files by their meaning: one square, drawn in every way that people draw masks."""

import numpy as np
import pytest
from PIL import Image

from rdpp.config import ConfigError
from rdpp.data.decoding import Reading
from rdpp.data.masks import decode_mask

SQUARE = np.zeros((40, 48), bool)
SQUARE[8:24, 12:30] = True
GREY = SQUARE.astype(np.uint8) * 255


def grey(low, high, dtype=np.uint8):
    return Image.fromarray(np.where(SQUARE, high, low).astype(dtype))


def coloured(defect, ground):
    return Image.fromarray(np.where(SQUARE[..., None], defect, ground).astype(np.uint8))


def indexed(colours, index=1):
    image = Image.fromarray(SQUARE.astype(np.uint8) * index).convert("P")
    image.putpalette(colours)
    return image


def alpha(colour):
    return Image.fromarray(np.dstack([*(np.full_like(GREY, c) for c in colour), GREY]))


DRAWN = {
    "0 and 255": (grey(0, 255), "png"),
    "0 and 1": (grey(0, 1), "png"),
    "two greys": (grey(127, 128), "bmp"),
    "one bit": (Image.fromarray(SQUARE), "png"),
    "16 bits": (grey(0, 65535, np.uint16), "png"),
    "16 bits, 0 and 1": (grey(0, 1, np.uint16), "tif"),
    "integers": (grey(0, 1, np.int32), "tif"),
    "floating point": (grey(0, 1, np.float32), "tif"),
    "floating point, 0 and 255": (grey(0, 255, np.float32), "tif"),
    "VOC's palette": (indexed([0, 0, 0, 128, 0, 0]), "png"),
    "a palette without black": (indexed([9, 9, 200, 128, 0, 0]), "png"),
    "a palette of one colour": (indexed([0, 0, 0] * 2), "png"),
    "a grey palette": (indexed([0, 0, 0, 1, 1, 1]), "png"),
    "red on black": (coloured([250, 20, 20], [0, 0, 0]), "png"),
    "dark blue on black": (coloured([0, 0, 60], [0, 0, 0]), "bmp"),
    "red on white": (coloured([255, 0, 0], [255, 255, 255]), "png"),
    "alpha of black": (alpha([0, 0, 0]), "png"),
    "alpha of white": (alpha([255, 255, 255]), "webp"),
    "JPEG": (grey(0, 255), "jpg"),
    "JPEG, red on black": (coloured([250, 20, 20], [0, 0, 0]), "jpg"),
}


@pytest.mark.parametrize("name", DRAWN)
def test_a_square_is_a_square(tmp_path, name):
    image, suffix = DRAWN[name]
    options = {"quality": 90} if suffix == "jpg" else {"lossless": True} if suffix == "webp" else {}
    image.save(tmp_path / f"m.{suffix}", **options)
    found = decode_mask(tmp_path / f"m.{suffix}")
    assert found.dtype == bool
    wrong = (found != SQUARE).sum()
    assert wrong <= (20 if "red on black" in name and suffix == "jpg" else 0)  # colours of a JPEG are halved in size


def test_white_at_index_zero_is_white(tmp_path):
    image = Image.fromarray((~SQUARE).astype(np.uint8)).convert("P")
    image.putpalette([255, 255, 255, 0, 0, 0])
    image.save(tmp_path / "m.png")
    np.testing.assert_array_equal(decode_mask(tmp_path / "m.png"), SQUARE)


def test_alpha_that_says_nothing_is_left_out(tmp_path):
    for value in (0, 255):
        Image.fromarray(np.dstack([GREY, GREY, GREY, np.full_like(GREY, value)])).save(tmp_path / "m.png")
        np.testing.assert_array_equal(decode_mask(tmp_path / "m.png"), SQUARE)


def test_few_values_are_labels(tmp_path):
    labels = np.tile(np.arange(48, dtype=np.uint8) // 3, (4, 1))  # 16 of them
    Image.fromarray(labels).save(tmp_path / "m.png")
    np.testing.assert_array_equal(decode_mask(tmp_path / "m.png"), labels > 0)
    np.testing.assert_array_equal(decode_mask(tmp_path / "m.png", Reading(mask_threshold=8 / 255)), labels >= 8)


def test_many_values_are_an_antialiased_mask(tmp_path):
    ramp = np.tile(np.arange(256, dtype=np.uint8), (4, 1))
    Image.fromarray(ramp).save(tmp_path / "m.png")
    np.testing.assert_array_equal(decode_mask(tmp_path / "m.png"), ramp >= 128)
    np.testing.assert_array_equal(decode_mask(tmp_path / "m.png", Reading(mask_threshold=0.2)), ramp >= 51)
    deep = ramp.astype(np.uint16) * 257
    Image.fromarray(deep).save(tmp_path / "m.png")
    np.testing.assert_array_equal(decode_mask(tmp_path / "m.png"), ramp >= 128)


def test_two_values_need_no_threshold(tmp_path):
    grey(0, 1).save(tmp_path / "m.png")
    np.testing.assert_array_equal(decode_mask(tmp_path / "m.png", Reading(mask_threshold=0.9)), SQUARE)


def test_few_greys_of_a_jpeg_are_no_labels(tmp_path):
    grey(0, 255).save(tmp_path / "m.jpg", quality=30)
    levels = np.unique(np.asarray(Image.open(tmp_path / "m.jpg")))
    assert len(levels) > 2
    assert levels[1] < 20
    np.testing.assert_array_equal(decode_mask(tmp_path / "m.jpg"), SQUARE)


def test_one_value(tmp_path):
    for value in (0, 1, 255):
        Image.fromarray(np.full((4, 4), value, np.uint8)).save(tmp_path / "m.png")
        assert decode_mask(tmp_path / "m.png").all() == (value > 0)
        assert decode_mask(tmp_path / "m.png").any() == (value > 0)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (np.linspace(0, 255, 64), r"holds values up to 255, but white is 1; say in data.white"),
        (np.append(np.zeros(63), np.nan), r"the mask .*m.tif holds values that are not finite"),
    ],
)
def test_values_without_a_meaning_are_refused(tmp_path, values, told):
    Image.fromarray(values.reshape(8, 8).astype(np.float32)).save(tmp_path / "m.tif")
    with pytest.raises(ConfigError, match=told):
        decode_mask(tmp_path / "m.tif")


@pytest.mark.parametrize("mode", ["L", "P"])
def test_exif_turns_a_mask_too(tmp_path, mode):
    exif = Image.Exif()
    exif[0x0112] = 6
    image = grey(0, 255) if mode == "L" else indexed([0, 0, 0, 128, 0, 0])
    image.save(tmp_path / "m.png", exif=exif)
    np.testing.assert_array_equal(decode_mask(tmp_path / "m.png"), np.rot90(SQUARE, -1))
