"""All runs of a tree, read by columns."""

import uuid

import pytest
import sqlalchemy

from rdpp.tracking.store import listing
from rdpp.tracking.store.listing import StoredRun, runs_with_tag
from rdpp.tracking.store.mlflow_store import Store


@pytest.fixture(scope="module")
def store(store_uri):
    return Store(store_uri)


@pytest.fixture(scope="module")
def root(store):
    """A tree with three runs, of which two have finished."""
    root = uuid.uuid4().hex
    for number, status in enumerate(("FINISHED", "FAILED", "FINISHED")):
        run = store.start_run(f"run {number}", tags={"level": "run", "root": root, f"taken/{root}": "[]"})
        store.log_params(run, {"a.b": number})
        store.log_metrics(run, {"test/image_auroc": 0.5 + number}, step=1)
        store.log_metrics(run, {"test/image_auroc": 0.25 + number}, step=2)
        store.end_run(run, status, {})
    store.start_run("trial", tags={"level": "trial", "root": root})
    return root


@pytest.mark.parametrize("finished", [True, False])
def test_columns_tell_what_mlflows_search_tells(store, root, finished):
    query = f"tags.root = '{root}' and tags.level = 'run'" + (" and attributes.status = 'FINISHED'" if finished else "")
    wanted = [StoredRun.of(run) for run in store.search(query)]
    assert len(wanted) == 2 + (not finished)
    assert runs_with_tag(store, "root", root, level="run", finished=finished) == wanted
    assert runs_with_tag(store, f"taken/{root}", None, level="run", finished=finished) == wanted


def test_a_store_that_is_no_database_is_searched(store, root, monkeypatch):
    known = runs_with_tag(store, "root", root, level="run")
    monkeypatch.setattr(listing, "DATABASE_ENGINES", ())
    assert runs_with_tag(store, "root", root, level="run") == known


def test_deleted_runs_are_not_read(store):
    root = uuid.uuid4().hex
    run = store.start_run("run", tags={"level": "run", "root": root})
    store.client.delete_run(run)
    assert runs_with_tag(store, "root", root, level="run") == []


def test_the_number_of_queries_does_not_grow_with_the_runs(store, root):
    statements = []

    def note(connection, cursor, statement, *rest):
        statements.append(statement)

    sqlalchemy.event.listen(sqlalchemy.Engine, "before_cursor_execute", note)
    try:
        runs_with_tag(store, "root", root, level="run")
    finally:
        sqlalchemy.event.remove(sqlalchemy.Engine, "before_cursor_execute", note)
    assert sum("run_uuid" in statement for statement in statements) == 4  # runs, tags, parameters, metrics
