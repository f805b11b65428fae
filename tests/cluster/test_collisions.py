"""Workers that write the same to MLflow at the same moment."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from rdpp.runs import WorkFolder
from rdpp.tracking.outbox.records import Record
from rdpp.tracking.sink import StoreSink
from rdpp.tracking.store.mlflow_store import Store

pytestmark = pytest.mark.cluster

AT_ONCE, ROUNDS = 8, 6


def test_runs_log_the_same_data_set_at_once(mlflow_server, tmp_path):
    """MLflow looks for the data set, and makes it where there is none: others make it in between."""
    together = threading.Barrier(AT_ONCE)

    def log(worker):
        store = Store(mlflow_server.uri)
        sink = StoreSink(store, WorkFolder(tmp_path / f"work {worker}"), locks=WorkFolder(tmp_path / "all"))
        node = f"collision {worker}"

        def write(kind, **payload):
            sink.write(Record(node=node, kind=kind, payload=payload, time=1, folder=tmp_path), None)

        write("open", name=node, parent=None, tags={})
        for number in range(ROUNDS):
            together.wait(60)
            write("dataset", name="bolt", digest=f"collision {number}", folder="data", profile={"train": 1})
        return {used.dataset.digest for used in store.client.get_run(sink.run_id(node)).inputs.dataset_inputs}

    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(log, range(AT_ONCE)))
    assert found == [{f"collision {number}" for number in range(ROUNDS)}] * AT_ONCE
