"""Addresses of sqlite files, whatever their folder is called."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy

from rdpp.addresses import shown
from rdpp.tracking.conventions.location import create_sqlite, sqlite_file, sqlite_url, unusable

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


def test_a_file_is_made_once_and_moved_into_place_complete(tmp_path):
    file, made = tmp_path / "50% off.db", []
    (tmp_path / ".50% off.db-new").write_text("half of it, of a process that was killed")
    (tmp_path / ".50% off.db-new-journal").touch()

    def make(url):
        assert not file.exists()
        made.append(url)
        with sqlalchemy.create_engine(url).begin() as connection:
            connection.execute(sqlalchemy.text("create table t (x)"))

    def at_once(_):
        create_sqlite(file, make)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(at_once, range(8)))
    assert len(made) == 1
    assert sqlite3.connect(file).execute("select name from sqlite_master").fetchall() == [("t",)]
    assert {path.name for path in tmp_path.iterdir()} <= {file.name, f"{file.name}.lock"}


def test_a_file_whose_making_fails_is_not_there(tmp_path):
    def fail(url):
        sqlite_file(url).touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        create_sqlite(tmp_path / "a.db", fail)
    assert not (tmp_path / "a.db").exists()


SECRETS = {
    "postgresql+psycopg://ann:s3cret@host/db": "postgresql+psycopg://ann:***@host/db",
    "postgresql://ann:s3cret/with@signs:@host:5432/db": "postgresql://ann:***@host:5432/db",
    "postgresql://host/db?user=ann&password=s3cret&sslmode=require": (
        "postgresql://host/db?user=ann&password=***&sslmode=require"
    ),
    "http://ann:s3cret@127.0.0.1:5000/#/experiments": "http://ann:***@127.0.0.1:5000/#/experiments",
    "https://:s3cret@host": "https://:***@host",
    "two: http://a:s3cret@b and http://c:s3cret@d/e": "two: http://a:***@b and http://c:***@d/e",
}


@pytest.mark.parametrize("text", SECRETS)
def test_passwords_are_masked(text):
    assert shown(text) == SECRETS[text]
    assert "s3cret" not in str(unusable(text, OSError(f"{150 * 'x'} cannot reach {text}")))


@pytest.mark.parametrize(
    "text",
    ["sqlite:////data/a:b@c.db", "http://127.0.0.1:5000", "postgresql+psycopg://ann@host/db", "a: b@c", "s3://x/y@z"],
)
def test_what_holds_no_password_is_shown_as_it_is(text):
    assert shown(text) == text
