"""`rdpp ui`."""

import argparse
import os
import sys

from rdpp.cli.flags import declare_store

HELP = "start the MLflow UI on 127.0.0.1"
EXAMPLES = """  rdpp ui
  rdpp ui --port 5001 --tracking-uri sqlite:////path/to/mlflow.db"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Its flags."""
    parser.add_argument("--port", type=int, default=5000, help="port on 127.0.0.1 (%(default)s)")
    declare_store(parser)


def run(options: argparse.Namespace) -> None:
    """Become MLflow's server."""
    from rdpp.tracking.store import Store

    store = Store(options.tracking_uri)
    page = f"http://127.0.0.1:{options.port}/#/experiments/{store.experiment_id}/runs?workflowType=machine_learning"
    print(f"open {page}", file=sys.stderr)
    os.environ["MLFLOW_BACKEND_STORE_URI"] = store.uri  # a flag, which everybody on the machine sees, shows a password
    command = [sys.executable, "-m", "mlflow", "ui", "--host", "127.0.0.1", "--port", str(options.port)]
    os.execv(sys.executable, command)
