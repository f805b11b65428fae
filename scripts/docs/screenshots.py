"""Screenshots of MLflow's UI for docs/: the pages of a study and of an ablation, and one run.

    python scripts/docs/screenshots.py --tracking-uri sqlite:////path/to/mlflow.db

Takes the newest study and ablation of the store, such as those of `make sweep` and `make ablation`, and writes
docs/images/*.png. It needs Debian's chromium.
"""

import argparse
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from rdpp.cli import exit_code_of
from rdpp.tracking.conventions.artifacts import GALLERY
from rdpp.tracking.store.mlflow_store import Store

CHROMIUM = "/usr/bin/chromium"
IMAGES = Path(__file__).parents[2] / "docs" / "images"
_SIZE = (1600, 640)
_TALL = 900
"""Height of the page of a run."""
_LARGEST = 150_000
"""Bytes of a picture; a larger one gets fewer colours."""
_WAIT = 120_000
"""Milliseconds until a page must be there."""
_CALM = 4_000
"""Milliseconds in which what was drawn comes to rest."""


def main() -> None:
    """Take all of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracking-uri", help="the store; by default that of rdpp")
    options = parser.parse_args()
    store = Store(options.tracking_uri, create=False)
    IMAGES.mkdir(exist_ok=True)
    with served(store.uri) as pages, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": _SIZE[0], "height": _SIZE[1]})
        trials, variants = (newest(pages, kind) for kind in ("trials", "variants"))
        take(page, trials, "objective", "study")
        take(page, f"{trials}&compareRunsMode=CHART", "trial vs. objective", "study-charts")
        take(page, variants, "test/image_auroc", "ablation")
        runs = pages["all runs"].partition("?")[0]
        page.set_viewport_size({"width": _SIZE[0], "height": _TALL})
        artifacts = f"{runs}/{pictured(store)}/artifacts?workflowType=machine_learning"
        take(page, artifacts, GALLERY, "run", clicks=(GALLERY,))
        browser.close()


@contextmanager
def served(uri: str) -> Iterator[dict[str, str]]:
    """`rdpp ui` within the block: the addresses of its pages, by name."""
    command = [sys.executable, "-m", "rdpp", "ui", "--port", "0", "--tracking-uri", uri]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        lines: list[str] = []
        for line in server.stderr:
            lines.append(line.strip())
            if line.startswith("Ctrl-C"):
                break
        try:
            yield dict(reversed([line.rsplit(": ", 1) for line in lines if ": http" in line]))
        finally:
            server.terminate()


def newest(pages: dict[str, str], kind: str) -> str:
    """The address of the newest page of a kind."""
    return next(address for name, address in reversed(pages.items()) if name.endswith(f": {kind}"))


def pictured(store: Store) -> str:
    """The newest finished run of a study's trial that has a gallery."""
    for run in store.search("tags.level = 'run' and attributes.status = 'FINISHED' and tags.trial != ''"):
        if GALLERY in {file.path for file in store.client.list_artifacts(run.info.run_id)}:
            return run.info.run_id
    raise SystemExit("no run has heatmaps; set heatmaps in the experiment")


def take(page: Page, address: str, text: str, name: str, clicks: tuple[str, ...] = ()) -> None:
    """Open a page, wait until a text stands there, and write a picture of it.

    Args:
        page: of the browser.
        address: of the page.
        text: to be waited for.
        name: of the picture.
        clicks: on which texts to click before.
    """
    page.goto(address)
    page.get_by_text(text).first.wait_for(timeout=_WAIT)
    for label in clicks:
        page.get_by_text(label, exact=True).first.click(timeout=_WAIT)
    page.wait_for_timeout(_CALM)
    close_assistant(page)
    page.get_by_text("Path: file:").evaluate_all("found => found.forEach(path => path.remove())")  # of this machine
    page.wait_for_timeout(_CALM)
    file = IMAGES / f"{name}.png"
    picture = Image.open(BytesIO(page.screenshot())).convert("RGB")
    picture.save(file, optimize=True)
    if file.stat().st_size > _LARGEST:
        picture.quantize(256, Image.Quantize.FASTOCTREE).save(file, optimize=True)  # keeps green and yellow apart
    print(f"{file.name}: {file.stat().st_size / 1e3:.0f} kB")


def close_assistant(page: Page) -> None:
    """MLflow opens it beside the first page that a browser sees."""
    question = page.get_by_placeholder("Ask a question")
    if question.count():
        page.get_by_role("button", name="Close", exact=True).last.click()
        question.wait_for(state="detached")


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
