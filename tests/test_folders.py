"""Folders that cannot be written are told in one line."""

import pytest

from rdpp.cli import main
from rdpp.config import ConfigError
from rdpp.folders import ensure_writable, home_expanded


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_a_file_is_no_folder(name, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"file\S* cannot be written \(.+\); set data.cache to another folder"):
        ensure_writable(tmp_path / name, "set data.cache to another folder")


def test_a_missing_folder_is_made(tmp_path):
    ensure_writable(tmp_path / "a" / "b", "")
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_a_user_without_a_home(monkeypatch):
    def no_home(path):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr("pathlib.Path.expanduser", no_home)
    with pytest.raises(ConfigError, match=r"data.cache is ~/x, and this user has no home; set data.cache to another"):
        home_expanded("~/x", "data.cache")


def test_the_command_says_so(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert main(["data", "synth", str(tmp_path / "file" / "below")]) == 2
    told = capsys.readouterr().err
    assert "cannot be written" in told
    assert "give another folder for the synthetic categories" in told
