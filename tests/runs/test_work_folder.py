"""Locks in the work folder: held by one process, free when it ends, and removed when nobody is there."""

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from rdpp.runs import WorkFolder
from rdpp.runs.scratch import temporary_files_of_the_system


@pytest.fixture
def folder(tmp_path):
    return WorkFolder(tmp_path / "work")


def files(folder):
    return {path.stem for path in (folder.root / "locks").glob("*.lock")}


def test_a_lock_is_held_by_one(folder):
    other = WorkFolder(folder.root)
    with folder.lock("a"):
        with other.lock_if_free("a") as free:
            assert not free
        assert other.is_locked("a")
        with other.lock_if_free("b") as free:
            assert free
    with other.lock_if_free("a") as free:
        assert free
    assert not other.is_locked("a")


def test_a_lock_is_free_when_its_block_ends_with_an_error(folder):
    with pytest.raises(KeyError), folder.lock_if_free("a"):
        raise KeyError
    assert not folder.is_locked("a")


def test_a_lock_is_free_when_its_process_is_killed(folder):
    code = f"""
import os, signal
from pathlib import Path
from filelock import FileLock
path = Path({str(folder.root)!r}) / "locks" / "a.lock"
path.parent.mkdir(parents=True)
lock = FileLock(path)
lock.acquire()
print("held", flush=True)
signal.pause()
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert folder.is_locked("a")
    finally:
        process.kill()
        process.wait()
    assert not folder.is_locked("a")


def test_the_last_to_leave_removes_the_files_of_all_locks(folder):
    one, two = folder.in_use(), WorkFolder(folder.root).in_use()
    one.__enter__()
    two.__enter__()
    with folder.lock("a"):
        pass
    one.__exit__(None, None, None)
    assert "a" in files(folder)  # another may hold it, or be about to
    two.__exit__(None, None, None)
    assert files(folder) == {"all"}


def test_whoever_left_without_a_word_is_not_waited_for(folder):
    """Its process was killed: its file is there, and nobody holds it."""
    locks = folder.root / "locks"
    locks.mkdir(parents=True)
    (locks / f"user-{'0' * 32}.lock").touch()
    with folder.in_use(), folder.lock("a"):
        pass
    assert files(folder) == {"all"}


def test_who_is_present_knows_of_others(folder):
    other = WorkFolder(folder.root)
    with folder.present("study") as others, other.present("another"):
        assert not others()
        with other.present("study") as others_too:
            assert others()
            assert others_too()
        assert not others()
        (folder.root / "locks" / f"study-{'0' * 32}.lock").touch()  # of a process that was killed
        assert not others()
    assert not any(name.startswith("another") for name in files(folder))


def test_temporary_files_stay_until_the_last_block_of_the_process_ends(folder, tmp_path):
    """Two threads of one process work, in one folder or in two: whoever leaves first takes nothing from the other."""
    for other in (WorkFolder(folder.root), WorkFolder(tmp_path / "another")):
        first, second = folder.in_use(), other.in_use()
        first.__enter__()
        second.__enter__()
        made = Path(tempfile.mkdtemp())
        first.__exit__(None, None, None)
        assert made.is_relative_to(folder.root / "scratch")
        assert made.is_dir()
        assert Path(tempfile.mkdtemp()).parent == made.parent
        second.__exit__(None, None, None)
        assert not made.parent.exists()
        assert not Path(tempfile.gettempdir()).is_relative_to(tmp_path / "work")


def test_the_systems_temporary_files_may_be_asked_for(folder):
    with folder.in_use():
        ours = tempfile.gettempdir()
        with temporary_files_of_the_system(1000):
            theirs = tempfile.gettempdir()
        with temporary_files_of_the_system(len(theirs) - 1):
            assert tempfile.gettempdir() == "/tmp"
        assert tempfile.gettempdir() == ours
    assert tempfile.gettempdir() == theirs != ours


def test_what_a_killed_process_left_is_removed_by_the_last_to_leave(folder):
    left, other = folder.root / "scratch" / f"scratch-{'0' * 32}", folder.root / "scratch" / "a person's"
    for path in (left, other):
        path.mkdir(parents=True)
    with folder.in_use():
        assert left.is_dir()
    assert not left.exists()
    assert other.is_dir()
