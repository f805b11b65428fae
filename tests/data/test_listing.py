"""Which files are images, and why others are passed over."""

import os

import pytest

from rdpp.config import ConfigError
from rdpp.data.listing import folders_in, images_in, list_images


def touch(path, content=b"x"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def test_images_are_told_by_their_suffix_and_sorted(tmp_path):
    for name in ("b.PNG", "a.jpeg", "c.txt", "d.tif", "e/f.webp", "g.pgm", "h.JFIF", "i.jp2", "e/k/l.ppm"):
        touch(tmp_path / name)
    names = [path.relative_to(tmp_path).as_posix() for path in images_in(tmp_path)]
    assert names == ["a.jpeg", "b.PNG", "d.tif", "e/f.webp", "e/k/l.ppm", "g.pgm", "h.JFIF", "i.jp2"]
    assert images_in(tmp_path / "gone") == []


def test_what_is_passed_over_is_told_with_its_reason(tmp_path):
    for name in ("0.png", ".hidden.png", ".ipynb_checkpoints/0.png", "._0.png", "Thumbs.db", "__MACOSX/0.png"):
        touch(tmp_path / name)
    touch(tmp_path / "notes.txt")
    touch(tmp_path / "README")
    touch(tmp_path / "nothing.png", b"")
    touch(tmp_path / "old.png" / "1.png")
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "dangling.png").symlink_to(tmp_path / "gone.png")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "round.png").symlink_to(tmp_path / "round.png")
    found = list_images(tmp_path)
    assert [path.name for path in found.images] == ["0.png"]
    assert {why: [path.name for path in paths] for why, paths in found.passed_over.items()} == {
        "hidden": [".hidden.png", ".ipynb_checkpoints"],
        "file of an operating system": ["._0.png", "Thumbs.db", "__MACOSX"],
        "suffix .txt": ["notes.txt"],
        "no suffix": ["README"],
        "empty file": ["nothing.png"],
        "folder with an image's name": ["old.png"],
        "no regular file": ["pipe.png"],
        "dangling link": ["dangling.png"],
        "link to a folder above": ["loop"],
        "unreadable (Too many levels of symbolic links)": ["round.png"],
    }


def test_links_to_images_and_folders_are_followed(tmp_path):
    touch(tmp_path / "elsewhere/0.png")
    (tmp_path / "here").mkdir()
    (tmp_path / "here/1.png").symlink_to(tmp_path / "elsewhere/0.png")
    (tmp_path / "here/more").symlink_to(tmp_path / "elsewhere")
    assert [path.name for path in images_in(tmp_path / "here")] == ["1.png", "0.png"]
    assert [path.name for path in folders_in(tmp_path / "here")] == ["more"]


def test_a_folder_that_may_not_be_read(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.iterdir", refuse)
    with pytest.raises(ConfigError, match=r"cannot list the folder .* \(Permission denied\); allow it to be read"):
        images_in(tmp_path)
