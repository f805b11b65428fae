"""Where numba keeps what it compiles when neither the installation nor the user's cache can be written."""

import os
import stat
import tempfile

import pytest

from rdpp import compiled
from rdpp.compiled import ensure_compiled_cache


@pytest.fixture
def read_only(monkeypatch, tmp_path):
    """Nothing can be written but in the temporary folder."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", "")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(compiled, "_is_writable", lambda folder: False)
    return tmp_path / "tmp"


def test_it_is_a_folder_of_the_user_alone_and_said(read_only, capsys):
    ensure_compiled_cache()
    folder = os.environ["NUMBA_CACHE_DIR"]
    assert folder == str(read_only / f"rdpp-compiled-{os.getuid()}")
    assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
    assert f"compiled code is kept in {folder} (set NUMBA_CACHE_DIR to keep it elsewhere)" in capsys.readouterr().err
    ensure_compiled_cache()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("mode", [0o777, 0o750])
def test_a_folder_that_others_may_enter_is_not_used(read_only, mode):
    open_to_others = read_only / f"rdpp-compiled-{os.getuid()}"
    open_to_others.mkdir()
    open_to_others.chmod(mode)
    ensure_compiled_cache()
    assert os.environ["NUMBA_CACHE_DIR"] != str(open_to_others)


def test_where_code_can_be_kept_nothing_changes(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("NUMBA_CACHE_DIR", "")
    ensure_compiled_cache(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "new"))
    ensure_compiled_cache(tmp_path / "new" / "too")
    assert os.environ["NUMBA_CACHE_DIR"] == ""
    assert capsys.readouterr().err == ""
