"""A row that another process inserted at the same moment."""

import pytest
import sqlalchemy
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import BAD_REQUEST

from rdpp.runs import WorkFolder
from rdpp.tracking.outbox.records import Record
from rdpp.tracking.sink import StoreSink
from rdpp.tracking.store.mlflow_store import Store
from rdpp.tracking.store.outage import collided, outage


@pytest.fixture(scope="module")
def collision():
    """What MLflow raises, with the text of a real IntegrityError."""
    with sqlalchemy.create_engine("sqlite://").connect() as database:
        database.execute(sqlalchemy.text("create table datasets (name text unique)"))
        insert = sqlalchemy.text("insert into datasets values ('bolt')")
        database.execute(insert)
        with pytest.raises(sqlalchemy.exc.IntegrityError) as met:
            database.execute(insert)
    return MlflowException(str(met.value), BAD_REQUEST)  # as MLflow does


@pytest.fixture
def desk(store_uri, tmp_path, monkeypatch):
    """A function that logs a data set whose first calls fail with the given errors; it returns the number of calls."""
    store = Store(store_uri)
    sink = StoreSink(store, WorkFolder(tmp_path))
    log_inputs = store.client.log_inputs

    def write(kind, **payload):
        sink.write(Record(node="desk", kind=kind, payload=payload, time=1, folder=tmp_path), None)

    def log(errors):
        calls = []

        def log_or_fail(*arguments):
            calls.append(arguments)
            if len(calls) <= len(errors):
                raise errors[len(calls) - 1]
            log_inputs(*arguments)

        monkeypatch.setattr(store.client, "log_inputs", log_or_fail)
        write("open", name="desk", parent=None, tags={})
        write("dataset", name="bolt", digest="1", folder="data", profile={"train": 1})
        (used,) = store.client.get_run(sink.run_id("desk")).inputs.dataset_inputs
        assert used.dataset.name == "bolt"
        return len(calls)

    return log


def test_what_another_inserted_first_is_found_by_the_next_try(desk, collision):
    assert desk([collision]) == 2


def test_a_row_that_can_never_be_inserted_is_refused(desk, collision):
    with pytest.raises(MlflowException, match="UNIQUE constraint failed"):
        desk([collision] * 9)


def test_other_refusals_are_not_tried_again(desk):
    with pytest.raises(MlflowException, match="too long"):
        desk([MlflowException("too long")])


def test_a_collision_is_no_outage(collision):
    assert collided(collision)
    assert outage(collision, "http://127.0.0.1:5000") is None
    assert outage(collision, "sqlite:///a.db") is None
