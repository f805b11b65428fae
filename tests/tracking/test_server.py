"""An MLflow server that goes away and comes back."""

import logging
import threading

import pytest

from rdpp.tracking.conventions.location import work_folder
from rdpp.tracking.outbox import delivery
from rdpp.tracking.outbox.outboxes import Outboxes
from rdpp.tracking.tree import MlflowTree


class Server:
    """MLflow's own, in this process: started again within milliseconds, on the same port."""

    def __init__(self):
        self.port = 0
        self.start()

    @property
    def uri(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        from mlflow.server import app
        from werkzeug.serving import make_server

        self._server = make_server("127.0.0.1", self.port, app, threaded=True)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server(new_store, tmp_path, monkeypatch):
    from mlflow.server import handlers

    monkeypatch.chdir(tmp_path)
    for name, value in {
        "_MLFLOW_SERVER_FILE_STORE": new_store(tmp_path / "server.db"),
        "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": str(tmp_path / "artifacts"),
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(handlers, "_tracking_store", None)
    monkeypatch.setattr(delivery, "_FIRST_PAUSE", 0.1)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = Server()
    yield server
    server.stop()


def test_records_wait_for_the_server_and_arrive_in_order(server):
    told = []
    with MlflowTree(server.uri, tell=told.append) as tree:
        node = tree.open("all", level="training", key="server", parent=None, tags={})
        tree.log_metrics(node, {"loss": 1.0}, step=1)
        run_id = tree.run_id(node)
        server.stop()
        tree.log_metrics(node, {"loss": 2.0}, step=2)
        tree.finish()
        assert tree._outboxes.count() == 1
        tree.log_text(node, "a.txt", "hello")
        tree.close(node)
        server.start()
    run = tree.store.client.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert [metric.value for metric in tree.store.client.get_metric_history(run_id, "loss")] == [1.0, 2.0]
    assert [file.path for file in tree.store.client.list_artifacts(run_id)] == ["a.txt"]
    assert ["is away" in told[0], "is back" in told[1], len(told)] == [True, True, 2]
    assert Outboxes.of(work_folder(server.uri), server.uri).all() == []


def test_a_server_forgets_artifacts(server):
    """MLflow's client has no function for it; the server that serves them takes it from their repository."""
    with MlflowTree(server.uri) as tree:
        trial = tree.open("t", level="trial", key="t", parent=None, tags={})
        run = tree.open("r", level="run", key="r", parent=trial, tags={"keep": "chosen"})
        for path in ("checkpoint/a.json", "images/a.txt", "b.txt"):
            tree.log_text(run, path, "abc")
        tree.close(run)
        tree.forget(trial)
        run_id = tree.run_id(run)
        assert [file.path for file in tree.store.client.list_artifacts(run_id)] == ["b.txt"]
        assert tree.store.client.get_run(run_id).data.tags["keep"] == "none"
