"""Addresses of sqlite files, whatever their folder is called."""

import sqlite3

import pytest
import sqlalchemy

from rdpp.tracking.location import sqlite_file, sqlite_url

FOLDERS = ["plain", "with space", "50% off", "a%20b", "a#b", "what?", "it's", "划痕 [1]", "a+b&c=d"]


@pytest.mark.parametrize("name", FOLDERS)
def test_the_address_opens_the_file_and_gives_its_path_back(name, tmp_path):
    folder = tmp_path / name
    folder.mkdir()
    file = folder / "a.db"
    with sqlalchemy.create_engine(sqlite_url(file)).connect() as connection:
        connection.execute(sqlalchemy.text("create table t (x)"))
    assert [path.name for path in folder.iterdir()] == ["a.db"]
    assert sqlite3.connect(file).execute("select name from sqlite_master").fetchall() == [("t",)]
    assert sqlite_file(sqlite_url(file)) == file


def test_other_stores_have_no_file():
    assert sqlite_file("postgresql://u:p%40@host/db") is None
    assert sqlite_file("http://127.0.0.1:5000") is None
