"""`fit: pad` keeps the aspect."""

import numpy as np
import pytest
from PIL import Image

from rdpp.data.decoding import Reading
from rdpp.data.resizing import placed, read_image, read_mask

PAD = Reading(fit="pad")


@pytest.mark.parametrize(
    ("shape", "size", "box"),
    [
        ((20, 60), (64, 64), (21, 0, 21, 64)),
        ((60, 20), (64, 96), (0, 37, 64, 21)),
        ((30, 30), (64, 64), (0, 0, 64, 64)),
        ((1000, 1), (32, 32), (0, 15, 32, 1)),
        ((645, 256), (96, 32), (7, 0, 81, 32)),
    ],
)
def test_where_pictures_are_placed(shape, size, box):
    assert placed(shape, size, "pad") == box
    assert placed(shape, size, "stretch") == (0, 0, *size)


def test_a_padded_image_holds_the_picture_and_its_border(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (32, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    image = read_image(tmp_path / "a.png", (64, 64), PAD)
    np.testing.assert_array_equal(image[:, 16:48], pixels.transpose(2, 0, 1) / np.float32(255))
    np.testing.assert_array_equal(image[:, :16], np.repeat(image[:, 16:17], 16, 1))
    np.testing.assert_array_equal(image[:, 48:], np.repeat(image[:, 47:48], 16, 1))


def test_a_padded_mask_is_empty_around_the_picture(tmp_path):
    Image.fromarray(np.full((32, 64), 255, np.uint8)).save(tmp_path / "m.png")
    mask = read_mask(tmp_path / "m.png", (64, 64), PAD)
    assert mask[16:48].all()
    assert not mask[:16].any()
    assert not mask[48:].any()
