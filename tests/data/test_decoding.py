"""Image files by their meaning: every depth and kind against the numbers that were written."""

import os
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from rdpp.config import ConfigError
from rdpp.data.decoding import Reading, decode

RNG = np.random.default_rng(0)
DEEP = RNG.integers(0, 65536, (12, 10, 4), dtype=np.uint16)
"""Random numbers of 16 bits, in four channels."""


def png16(path, pixels, colour_type):
    """A PNG of 16 bits a channel, which Pillow cannot write: 0 grey, 2 RGB, 4 grey and alpha, 6 RGBA."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], 16, colour_type, 0, 0, 0)
    parts = (b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(name, data) for name, data in parts))


def tiff(path, pixels, *, bits, sample_format=1, photometric=1):
    """An uncompressed little-endian TIFF, as cameras' programs write it."""
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    data = np.ascontiguousarray(pixels).tobytes()
    height, width = pixels.shape[:2]
    entries = [
        (256, 4, width),
        (257, 4, height),
        (258, 3, bits) if channels == 1 else (258, 3, None),
        (259, 3, 1),
        (262, 3, photometric),
        (273, 4, 8),
        (277, 3, channels),
        (278, 4, height),
        (279, 4, len(data)),
        (339, 3, sample_format) if channels == 1 else (284, 3, 1),
    ]
    at, extra = 8 + len(data), b""
    directory = struct.pack("<H", len(entries))
    for tag, kind, value in sorted(entries, key=lambda entry: entry[0]):
        if value is None:
            place = at + 2 + 12 * len(entries) + 4
            directory += struct.pack("<HHII", tag, kind, channels, place)
            extra = struct.pack("<3H", *[bits] * 3)
        else:
            directory += struct.pack("<HHI", tag, kind, 1) + struct.pack("<I", value)
    path.write_bytes(b"II*\0" + struct.pack("<I", at) + data + directory + b"\0\0\0\0" + extra)


def found(path, **reading):
    return decode(path, Reading(**reading))[0]


def assert_grey(pixels, expected):
    assert (pixels.dtype, pixels.shape) == (np.float32, (*expected.shape, 3))
    np.testing.assert_allclose(pixels, np.repeat(expected[..., None], 3, 2), rtol=0, atol=1e-7)


@pytest.mark.parametrize("suffix", ["png", "tif", "pgm"])
def test_16_bit_grey(tmp_path, suffix):
    grey = DEEP[..., 0]
    Image.fromarray(grey).save(tmp_path / f"a.{suffix}")
    assert_grey(found(tmp_path / f"a.{suffix}"), grey / 65535)
    assert_grey(found(tmp_path / f"a.{suffix}", white=131070), grey / 131070)


def test_16_bit_colour_keeps_its_low_bytes(tmp_path):
    png16(tmp_path / "rgb.png", DEEP[..., :3], 2)
    png16(tmp_path / "rgba.png", DEEP, 6)
    tiff(tmp_path / "rgb.tif", DEEP[..., :3], bits=16, photometric=2)
    for name in ("rgb.png", "rgba.png", "rgb.tif"):
        pixels, raw = decode(tmp_path / name)
        np.testing.assert_allclose(pixels, DEEP[..., :3] / 65535, rtol=0, atol=1e-7)
        assert raw.kind == "16-bit colour"
    png16(tmp_path / "la.png", DEEP[..., :2], 4)
    assert_grey(found(tmp_path / "la.png"), DEEP[..., 0] / 65535)


def test_12_of_16_bits_need_their_white(tmp_path):
    twelve = DEEP[..., 0] % 4096
    Image.fromarray(twelve).save(tmp_path / "a.png")
    assert_grey(found(tmp_path / "a.png"), twelve / 65535)
    assert_grey(found(tmp_path / "a.png", white=4095), twelve / 4095)


def test_a_pgm_states_its_white(tmp_path):
    twelve = DEEP[..., 0] % 4096
    (tmp_path / "a.pgm").write_bytes(b"P5\n10 12\n4095\n" + twelve.astype(">u2").tobytes())
    for white in (None, 255):
        np.testing.assert_allclose(found(tmp_path / "a.pgm", white=white)[..., 0], twelve / 4095, rtol=0, atol=1e-5)


def test_integers_of_32_bits_are_16_bits_in_wide_clothes(tmp_path):
    wide = DEEP[..., 0].astype(np.int32)
    Image.fromarray(wide).save(tmp_path / "a.tif")
    assert_grey(found(tmp_path / "a.tif"), wide / 65535)
    assert_grey(found(tmp_path / "a.tif", white=100_000), wide / 100_000)


def test_floating_point(tmp_path):
    light = RNG.random((12, 10), dtype=np.float32)
    Image.fromarray(light).save(tmp_path / "a.tif")
    assert_grey(found(tmp_path / "a.tif"), light)
    Image.fromarray(light * 255).save(tmp_path / "b.tif")
    assert_grey(found(tmp_path / "b.tif", white=255), light)
    light[0, 0], light[0, 1] = 1.0005, -0.0005  # as resampling leaves it
    Image.fromarray(light).save(tmp_path / "c.tif")
    assert_grey(found(tmp_path / "c.tif"), light.clip(0, 1))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_tiffs_in_which_zero_is_white(tmp_path, dtype):
    grey = DEEP[..., 0].astype(dtype)
    tiff(tmp_path / "a.tif", grey, bits=grey.itemsize * 8, photometric=0)
    most = np.iinfo(dtype).max
    assert_grey(found(tmp_path / "a.tif"), (most - grey) / most)


def test_8_bit_kinds(tmp_path):
    grey, colour = (DEEP[..., 0] % 256).astype(np.uint8), (DEEP[..., :3] % 256).astype(np.uint8)
    Image.fromarray(grey > 127).save(tmp_path / "bits.png")
    assert_grey(found(tmp_path / "bits.png"), (grey > 127).astype(float))
    Image.fromarray(np.dstack([colour, grey])).save(tmp_path / "rgba.png")
    np.testing.assert_allclose(found(tmp_path / "rgba.png"), colour / 255, rtol=0, atol=1e-7)
    Image.fromarray(255 - colour).convert("CMYK").save(tmp_path / "cmyk.tif")
    np.testing.assert_allclose(found(tmp_path / "cmyk.tif"), (255 - colour) / 255, rtol=0, atol=1e-7)
    palette = Image.fromarray(colour).quantize(7)
    palette.save(tmp_path / "palette.png", transparency=bytes([0, 128, 255]))
    np.testing.assert_allclose(found(tmp_path / "palette.png"), np.asarray(palette.convert("RGB")) / 255, atol=1e-7)


def test_white_is_not_asked_of_8_bits(tmp_path):
    grey = (DEEP[..., 0] % 256).astype(np.uint8)
    Image.fromarray(grey).save(tmp_path / "a.png")
    assert_grey(found(tmp_path / "a.png", white=4095), grey / 255)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "webp", "tif"])
def test_exif_turns_the_picture_upright(tmp_path, orientation, suffix):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a.{suffix}"
    Image.fromarray((DEEP[..., :3] % 256).astype(np.uint8)).save(path, exif=exif, lossless=True)
    with Image.open(path) as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    np.testing.assert_array_equal(np.rint(255 * found(path)), expected)


@pytest.mark.parametrize(
    ("pixels", "white", "told"),
    [
        (
            np.full((4, 4), 255, np.float32),
            None,
            r"holds values up to 255, but white is 1; say in data.white .* as 255",
        ),
        (np.full((4, 4), 70_000, np.int32), None, "values up to 70000, but white is 65535; say in data.white"),
        (np.full((4, 4), 5000, np.uint16), 4095, r"values up to 5000, but white is 4095; .* such as 16383"),
        (np.full((4, 4), -3, np.int32), None, r"from -3 to -3; none may lie below 0"),
        (np.full((4, 4), np.nan, np.float32), None, "holds values that are not finite"),
    ],
)
def test_values_without_a_meaning_are_refused(tmp_path, pixels, white, told):
    Image.fromarray(pixels).save(tmp_path / "a.tif")
    with pytest.raises(ConfigError, match=told) as error:
        found(tmp_path / "a.tif", white=white)
    assert "a.tif" in str(error.value)
    assert "\n" not in str(error.value)


def test_large_images_are_refused_with_the_setting(tmp_path):
    Image.new("1", (2000, 1000)).save(tmp_path / "a.png")
    with pytest.raises(
        ConfigError, match=r"has 2 megapixels, more than data.max_megapixels \(1.5\); set that key to 2"
    ):
        found(tmp_path / "a.png", max_megapixels=1.5)
    before = Image.MAX_IMAGE_PIXELS
    assert found(tmp_path / "a.png", max_megapixels=2).shape == (1000, 2000, 3)
    assert before == Image.MAX_IMAGE_PIXELS


def test_the_limit_is_the_settings_not_pillows(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    Image.new("L", (40, 30)).save(tmp_path / "a.png")
    assert found(tmp_path / "a.png").shape == (30, 40, 3)


def test_what_is_no_image_is_told_and_a_pipe_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "text.png").write_text("no image")
    for name in ("pipe.png", "text.png", "gone.png"):
        with pytest.raises(ConfigError, match=f"cannot decode the image .*{name}"):
            found(tmp_path / name)


def test_the_network_gets_what_was_written(tmp_path):
    torch.manual_seed(0)
    Image.fromarray(DEEP[..., 0]).save(tmp_path / "a.png")
    from rdpp.data.resizing import read_image

    image = read_image(tmp_path / "a.png", (12, 10))
    np.testing.assert_allclose(image[1], DEEP[..., 0] / 65535, rtol=0, atol=1e-6)


def test_of_several_pages_the_first_is_read_and_the_kind_says_so(tmp_path):
    pages = [Image.fromarray(np.full((4, 5), value, np.uint8)) for value in (51, 102, 255)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    pixels, raw = decode(tmp_path / "a.tif")
    assert (pixels == np.float32(0.2)).all()
    assert raw.kind == "8-bit grey, first of 3 pages"
