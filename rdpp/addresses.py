"""Addresses of stores and servers, as people may see them."""

import re
import shlex

_PASSWORD = re.compile(r"(://[^:/@\s]*:)[^\s]*@")  # up to the last @: a password may hold others
_PASSWORD_KEY = re.compile(r"([?&][^=&\s]*(?:password|passwd|pwd|token|secret)[^=&\s]*=)[^&\s]*", re.IGNORECASE)


def shown(text: object) -> str:
    """An address, or a text with addresses in it, for people: passwords are masked.

    >>> shown("postgresql+psycopg://ann:secret@host/runs?sslmode=require")
    'postgresql+psycopg://ann:***@host/runs?sslmode=require'
    """
    return _PASSWORD_KEY.sub(r"\1***", _PASSWORD.sub(r"\1***@", str(text)))


def store_flag(uri: str | None) -> str:
    """The flag that names a store, to be pasted into a shell behind a command; nothing where none was given.

    >>> store_flag("sqlite:///my runs/mlflow.db"), store_flag(None)
    (" --tracking-uri 'sqlite:///my runs/mlflow.db'", '')
    """
    return f" --tracking-uri {shlex.quote(shown(uri))}" if uri else ""


def is_postgresql(url: str) -> bool:
    """Whether an address is of a PostgreSQL database, whatever driver it names.

    >>> is_postgresql("postgresql+psycopg://ann@host/runs"), is_postgresql("sqlite:////data/optuna.db")
    (True, False)
    """
    return url.partition("://")[0].partition("+")[0] in ("postgresql", "postgres")
