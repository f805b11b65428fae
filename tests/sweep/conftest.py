"""What the tests of studies share."""

import pytest
from optuna.storages import RDBStorage

from rdpp.tracking.location import create_sqlite


@pytest.fixture(scope="session")
def database(tmp_path_factory):
    """One database for all studies: making one takes a second."""
    file = tmp_path_factory.mktemp("optuna") / "optuna.db"
    create_sqlite(file, RDBStorage)
    return file


@pytest.fixture(scope="session")
def storage(database):
    """Its address."""
    return f"sqlite:///{database}"
