"""What befalls a cache: damaged files, full and read-only disks, builders that are killed or meet."""

import errno
import json
import os
import resource
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from filelock import FileLock
from processes import Counted, Other, build_slowly

from rdpp.cli import main
from rdpp.config import ConfigError
from rdpp.data import load_test, load_train, scan
from rdpp.data.arrays import array_file
from rdpp.data.seal import flaw, seal

SIZE = (128, 128)


@pytest.fixture
def bolt(tiny_data):
    return scan(tiny_data, "bolt")


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def entry(cache):
    (folder,) = (path for path in cache.iterdir() if not path.name.startswith("."))
    return folder


def begun(cache):
    """What is left of entries that were begun."""
    return [path.name for path in (cache / ".begun").iterdir() if path.suffix != ".lock"]


def zero(name, start, stop):
    def damage(folder):
        with (folder / name).open("r+b") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(int(start * size))
            file.write(bytes(int(stop * size) - int(start * size)))

    return damage


def cut(name):
    return lambda folder: os.truncate(folder / name, (folder / name).stat().st_size // 2)


def delete(name):
    return lambda folder: (folder / name).unlink()


FILES = ("images.npy", "masks.npy", "facts.json", "digests.json")
DAMAGE = {
    **{f"cut {name}": cut(name) for name in FILES},
    **{f"no {name}": delete(name) for name in FILES},
    **{f"zeroed {name}": zero(name, 0, 1) for name in FILES},
    "zeroed header": zero("images.npy", 0, 0.0001),
    "zeroed middle": zero("images.npy", 0.5, 0.53),
    "zeroed end": zero("images.npy", 0.99, 1),
    "zeroed masks": zero("masks.npy", 0.1, 1),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_what_is_damaged_is_told_and_made_anew(bolt, cache, damage, capfd):
    first = load_test(bolt, SIZE, cache)
    images, masks = np.array(first.images), first.masks.copy()
    assert masks.any()
    damage(entry(cache))
    again = load_test(bolt, SIZE, cache)
    np.testing.assert_array_equal(again.images, images)
    np.testing.assert_array_equal(again.masks, masks)
    assert again.facts == first.facts
    told = capfd.readouterr().err
    assert told.startswith(f"rdpp: the decoded images in {entry(cache)} were damaged (")
    assert told.count("\n") == 1
    load_test(bolt, SIZE, cache)
    assert capfd.readouterr().err == ""
    assert begun(cache) == []


def test_zeroed_masks_are_seen_between_the_blocks(bolt, cache, monkeypatch):
    masks = load_test(bolt, SIZE, cache).masks
    zero("masks.npy", 0.1, 1)(entry(cache))
    monkeypatch.setattr("rdpp.data.cache.flaw", lambda folder, whole: None)
    np.testing.assert_array_equal(load_test(bolt, SIZE, cache).masks, masks)


def test_the_whole_check_finds_a_single_byte(tmp_path):
    (tmp_path / "a").write_bytes(np.random.default_rng(0).bytes(2_000_000))
    seal(tmp_path)
    assert flaw(tmp_path) is flaw(tmp_path, whole=True) is None
    with (tmp_path / "a").open("r+b") as file:
        file.seek(25_000)
        file.write(b"damage")
    assert flaw(tmp_path) is None
    assert flaw(tmp_path, whole=True) == "a is not what was written"


def test_what_may_not_be_read_is_not_made_anew(bolt, cache, monkeypatch):
    load_train(bolt, SIZE, cache)

    def refuse(folder, whole):
        raise PermissionError(errno.EACCES, "Permission denied", "images.npy")

    monkeypatch.setattr("rdpp.data.cache.flaw", refuse)
    with pytest.raises(
        ConfigError, match=r"images.npy cannot be read \(Permission denied\); set data.cache to a folder"
    ):
        load_train(bolt, SIZE, cache)


def test_data_check_says_whether_the_cache_is_whole(bolt, tiny_data, cache, capsys):
    command = ["data", "check", str(tiny_data), "--image-size", "128", "--set", f"cache={cache}"]
    assert main([*command, "--json"]) == 0
    assert all(found["cached"] == {} for found in json.loads(capsys.readouterr().out))
    load_train(bolt, SIZE, cache)
    assert main(command) == 0
    assert "bolt: decoded train images: whole in the cache\n" in capsys.readouterr().out
    folder = entry(cache)
    with (folder / "images.npy").open("r+b") as file:
        file.seek(200_000)
        file.write(bytes(10))
    assert main(command) == 2
    told = capsys.readouterr()
    remedy = f"the decoded images in {folder} are damaged (images.npy is not what was written); delete that folder"
    assert f"bolt: decoded train images: {remedy}" in told.out
    assert told.err.startswith(f"rdpp: {remedy}")
    assert main([*command, "--json"]) == 2
    found = {one["category"]: one["cached"] for one in json.loads(capsys.readouterr().out)}
    assert found["bolt"]["train"].startswith(remedy)
    assert main([*command[:-1], f"cache={cache / 'another'}"]) == 0


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_told_before_anything_is_decoded(bolt, cache, monkeypatch, number):
    def full(descriptor, start, size):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "posix_fallocate", full)
    monkeypatch.setattr("rdpp.data.cache.decode", None)
    line = rf"{cache} has no room for .+: 1064960 bytes are needed, \d+ are free; free some, or set data.cache to"
    with pytest.raises(ConfigError, match=line):
        load_train(bolt, SIZE, cache)
    assert begun(cache) == []


def test_where_nothing_can_be_reserved_the_disk_is_asked(bolt, cache, monkeypatch):
    monkeypatch.delattr(os, "posix_fallocate")
    assert len(load_train(bolt, SIZE, cache)) == 5
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("shutil.disk_usage", lambda folder: usage)
    with pytest.raises(ConfigError, match=r"1000 are free; free some, or set data.cache"):
        load_test(bolt, SIZE, cache)


def test_no_room_for_a_file_is_an_error_and_no_signal(bolt, cache):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, limits[1]))
    try:
        with pytest.raises(ConfigError, match=r"\(File too large\): 1064960 bytes are needed"):
            load_train(bolt, SIZE, cache)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert begun(cache) == []


def test_a_read_only_disk_is_one_line(bolt, cache, monkeypatch):
    def refuse(path, *more, **options):
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    monkeypatch.setattr("pathlib.Path.mkdir", refuse)
    with pytest.raises(ConfigError, match=r"cannot be written \(Read-only file system\); set data.cache to a folder"):
        load_train(bolt, SIZE, cache)


def test_what_a_killed_builder_left_is_removed(bolt, tiny_data, cache):
    with Other(build_slowly, tiny_data, cache, 60) as killed:
        assert killed.tells() == "decoding"
        load_test(bolt, SIZE, cache)  # another entry, while it lives
        assert begun(cache) != []
    assert begun(cache) != []
    load_test(bolt, (64, 64), cache)
    assert begun(cache) == []
    assert len(load_train(bolt, SIZE, cache)) == 5


def test_of_two_builders_one_waits_for_the_other(bolt, tiny_data, cache, monkeypatch):
    ours = Counted(lambda: None)
    monkeypatch.setattr("rdpp.data.cache.decode", ours)
    with Other(build_slowly, tiny_data, cache, 0.2) as other:
        assert other.tells() == "decoding"
        split = load_train(bolt, SIZE, cache)
        assert [other.tells() for _ in range(5)] == [*["decoding"] * 4, (5, float(split.images.sum()))]
    assert ours.count == 0
    assert entry(cache).is_dir()  # there is one
    assert begun(cache) == []


def test_a_long_wait_is_told(bolt, cache, monkeypatch, capfd):
    load_train(bolt, SIZE, cache)
    lock = FileLock(next((cache / ".begun").glob("*.lock")))
    delete("digests.json")(entry(cache))
    monkeypatch.setattr("rdpp.data.cache._PATIENCE", 0.01)
    with ThreadPoolExecutor(1) as pool:
        with lock:
            waiting = pool.submit(load_train, bolt, SIZE, cache)
            with pytest.raises(TimeoutError):
                waiting.result(timeout=1)
            assert capfd.readouterr().err.startswith("rdpp: waiting for another process that decodes images into")
        assert len(waiting.result()) == 5


def test_a_row_of_another_shape_is_no_row(tmp_path):
    with pytest.raises(AssertionError), array_file(tmp_path / "a.npy", (2, 3), np.float32) as append:
        append(np.zeros(4))


def test_the_array_is_numpys_own(tmp_path):
    rows = np.random.default_rng(0).random((3, 4, 5))
    with array_file(tmp_path / "a.npy", rows.shape, rows.dtype) as append:
        for row in rows:
            append(row)
    np.save(tmp_path / "b.npy", rows)
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()
