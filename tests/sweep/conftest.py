"""What the tests of studies share."""

import pytest


@pytest.fixture(scope="session")
def database(new_storage, tmp_path_factory):
    """One database for all studies."""
    file = tmp_path_factory.mktemp("optuna") / "optuna.db"
    new_storage(file)
    return file


@pytest.fixture(scope="session")
def storage(database):
    """Its address."""
    return f"sqlite:///{database}"
