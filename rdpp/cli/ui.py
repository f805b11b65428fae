"""`rdpp ui`."""

import argparse
import sys

from rdpp.cli.flags import declare_store

HELP = "start the MLflow UI on 127.0.0.1, and say what to open"
EXAMPLES = """  rdpp ui --open
  rdpp ui --port 0
  rdpp ui --port 5001 --tracking-uri sqlite:////path/to/mlflow.db"""


def declare(parser: argparse.ArgumentParser) -> None:
    """Its flags."""
    parser.add_argument("--port", type=int, default=5000, help="port on 127.0.0.1 (%(default)s); 0: the next free one")
    parser.add_argument("--open", action="store_true", help="open the first page in a browser")
    declare_store(parser)


def run(options: argparse.Namespace) -> int:
    """Serve until Ctrl-C."""
    import webbrowser

    from rdpp.stopping import Stopped, stopping
    from rdpp.tracking.store.mlflow_store import Store
    from rdpp.tracking.ui.server import choose_port, has_runs, pages, serving

    port, store = choose_port(options.port), Store(options.tracking_uri)
    try:
        with stopping(), serving(store, port) as server:
            if not has_runs(store):
                print("no runs yet; rdpp train, rdpp sweep or rdpp ablate makes some: rdpp sweep demo", file=sys.stderr)
            found = pages(store, port)
            for name, address in found:
                print(f"{name}: {address}", file=sys.stderr)
            print("Ctrl-C ends it", file=sys.stderr)
            if options.open:
                webbrowser.open(found[0][1])
            return server.wait()
    except Stopped as stopped:
        return stopped.exit_code
