"""Facts about files: found out once, and anew when the file has changed."""

import hashlib
import os
import time

import numpy as np
import pytest
from PIL import Image

from rdpp.config import ConfigError
from rdpp.data import file_digest
from rdpp.data.files import image_size, once_per_content, printable


@pytest.fixture
def counting():
    """A function of a file's content, and the contents it was asked for."""
    seen = []

    @once_per_content
    def length(path):
        seen.append(path.read_bytes())
        return len(seen[-1])

    return length, seen


@pytest.fixture
def settled(tmp_path):
    """A file that has been there for long."""
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    os.utime(path, (10**9, 10**9))
    return path


def test_digests_are_sha256(settled):
    assert file_digest(settled) == hashlib.sha256(b"abc").hexdigest() == file_digest(settled)


def test_sizes_are_width_and_height(tmp_path):
    Image.fromarray(np.zeros((6, 8), np.uint8)).save(tmp_path / "a.png")
    assert image_size(tmp_path / "a.png") == (8, 6)


def test_a_file_that_stays_is_looked_at_once(settled, counting):
    length, seen = counting
    assert [length(settled), length(settled)] == [3, 3]
    assert len(seen) == 1


def rewritten(path):
    path.write_bytes(b"xyz")


def back_dated(path):
    time.sleep(0.05)  # longer than a tick of the file system's clock
    path.write_bytes(b"xyz")
    os.utime(path, (10**9, 10**9))


def replaced(path):
    other = path.with_name("other")
    back_dated(other)
    os.replace(other, path)


@pytest.mark.parametrize("change", [rewritten, back_dated, replaced])
def test_a_changed_file_is_looked_at_again(settled, counting, change):
    length, seen = counting
    length(settled)
    change(settled)
    length(settled)
    assert seen == [b"abc", b"xyz"]


@pytest.mark.parametrize(("age", "looks"), [(0, 2), (10**6, 2), (10**9, 1)])
def test_what_was_written_a_moment_ago_is_not_remembered(settled, counting, monkeypatch, age, looks):
    length, seen = counting
    monkeypatch.setattr("time.time_ns", lambda: 10**18 + age)
    length(settled)
    length(settled)
    assert len(seen) == looks


def test_what_fails_is_tried_again(settled):
    attempts = []

    @once_per_content
    def fail(path):
        attempts.append(path)
        raise ConfigError("no")

    for _ in range(2):
        with pytest.raises(ConfigError, match="no"):
            fail(settled)
    assert len(attempts) == 2


@pytest.mark.parametrize("find", [file_digest, image_size])
def test_a_file_that_cannot_be_read(tmp_path, find):
    (tmp_path / "folder.png").mkdir()
    for name in ("gone.png", "folder.png"):
        with pytest.raises(ConfigError, match=f"cannot decode the image .*{name}; repair it or take it"):
            find(tmp_path / name)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_the_size_is_that_of_the_upright_picture(tmp_path, suffix):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (8, 6)).save(tmp_path / f"a.{suffix}", exif=exif)
    assert image_size(tmp_path / f"a.{suffix}") == (6, 8)


def test_a_named_pipe_is_never_opened(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(ConfigError, match=r"cannot decode the image .*a.png"):
        image_size(tmp_path / "a.png")


def test_every_name_can_be_printed():
    assert printable(os.fsdecode(b"a\xff/\xc3\xa4.png")) == "a\\xff/ä.png"
