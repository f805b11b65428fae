"""Which errors mean that the same may be tried again: the MLflow store is away for a while, or two wrote at once."""

import errno

import requests
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import DBAPIError, OperationalError

_INTEGRITY = "/gkpj"
"""End of the address of SQLAlchemy's page about IntegrityError, which stands in the text of every such error, whichever
the database. A server of MLflow's tells nothing else of it."""
_OF_THE_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.EROFS})
_TOO_MANY = 429
_SERVER_ERRORS = 500


def collided(error: BaseException) -> bool:
    """Whether MLflow inserted a row that another process had inserted since it looked: it looks for a data set, and
    makes it where there is none. The same call finds the other's row."""
    return isinstance(error, MlflowException) and _INTEGRITY in str(error)


def outage(error: BaseException, uri: str) -> str | None:
    """Why a store cannot be used at the moment, in one line; None for an error that will be there the next time too.

    A database that is locked or away, a server that does not answer or that says that it failed, a full disk.
    """
    errors = [error]
    while (cause := errors[-1].__cause__ or errors[-1].__context__) is not None and cause not in errors:
        errors.append(cause)
    away = [found for found in errors if _is_outage(found, uri)]
    return " ".join(str(away[-1]).split())[:200] if away else None


def _is_outage(error: BaseException, uri: str) -> bool:
    if isinstance(error, MlflowException):
        status = error.get_http_status_code()
        if uri.startswith(("http:", "https:")):
            return status >= _SERVER_ERRORS or status == _TOO_MANY
        return error.error_code == "TEMPORARILY_UNAVAILABLE"  # MLflow's word for SQLAlchemy's OperationalError
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return error.response.status_code >= _SERVER_ERRORS or error.response.status_code == _TOO_MANY
    if isinstance(error, OSError) and error.errno in _OF_THE_DISK:
        return True
    if isinstance(error, DBAPIError):
        return isinstance(error, OperationalError) or error.connection_invalidated
    return isinstance(error, ConnectionError | TimeoutError | requests.ConnectionError | requests.Timeout)
