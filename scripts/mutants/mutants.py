"""Break the code in many small ways, each in a copy of its own, and see the tests notice.

python scripts/mutants/mutants.py [--jobs N] [WORD ...]     only mutations with one of the words in their name or file

A mutation is killed when a test fails. The exit code is 1 if any survives, does not apply any more, or keeps
the tests from running at all.
"""

import argparse
import contextlib
import multiprocessing
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest
from mutations import MUTATIONS, Mutation

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT = 120
"""Seconds for a mutation's tests; five times as long where all of them are expected to pass."""
LIBRARIES = [
    "torch",
    "torchvision",
    "geomloss",
    "scipy.ndimage",
    "scipy.optimize",
    "sklearn.metrics",
    "numba",
    "pytest",
]


class Outcome(NamedTuple):
    """What became of one mutation."""

    verdict: str
    """killed, SURVIVED, or why it could not be tried."""
    test: str
    """The first test that failed."""
    seconds: float


def main() -> int:
    """Try the mutations and print a table."""
    parser = argparse.ArgumentParser(description="Break the code in many small ways and see the tests notice.")
    parser.add_argument("words", nargs="*", metavar="WORD", help="only mutations with it in their name or file")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="N", help="mutations at a time")
    options = parser.parse_args()
    chosen = [m for m in MUTATIONS if not options.words or any(w in f"{m.name} {m.file}" for w in options.words)]
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory(prefix="rdpp-mutants-") as name, processes(options.jobs) as pool:
        if broken := unmutated(chosen, Path(name), pool):
            print(f"these fail without any mutation: {broken}")
            return 1
        for mutation, outcome in zip(chosen, pool.map(partial(attempt, scratch=Path(name)), chosen), strict=True):
            outcomes.append(outcome)
            print(f"{mutation.name:48} {outcome.verdict:12} {outcome.seconds:5.1f} s  {outcome.test}", flush=True)
    print_table(chosen, outcomes)
    return int(not chosen or any(outcome.verdict != "killed" for outcome in outcomes))


def print_table(mutations: Sequence[Mutation], outcomes: Sequence[Outcome]) -> None:
    """By package: how many were killed, how many not."""
    packages = [Path(mutation.file).parent.as_posix() for mutation in mutations]
    killed = Counter(p for p, outcome in zip(packages, outcomes, strict=True) if outcome.verdict == "killed")
    print(f"\n{'package':24} killed  not killed")
    for package, total in sorted(Counter(packages).items()):
        print(f"{package:24} {killed[package]:6}  {total - killed[package]:10}")
    print(f"{'all':24} {killed.total():6}  {len(mutations) - killed.total():10}")


def processes(jobs: int) -> ProcessPoolExecutor:
    """A new process for each task, with the libraries (never the code to be mutated) already imported."""
    os.environ["OMP_NUM_THREADS"] = "1"
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(LIBRARIES)
    return ProcessPoolExecutor(jobs, context, max_tasks_per_child=1)


def unmutated(mutations: Sequence[Mutation], scratch: Path, pool: Executor) -> list[str]:
    """The tests that fail before anything is broken."""
    folder = copy_checkout(Path(tempfile.mkdtemp(dir=scratch)))
    needed = sorted({mutation.tests for mutation in mutations})
    runs = zip(needed, pool.map(partial(run_tests, folder, timeout=5 * TIMEOUT), needed), strict=True)
    return [tests for tests, (code, _) in runs if code != 0]


def attempt(mutation: Mutation, scratch: Path) -> Outcome:
    """Apply one mutation to a copy and run its tests there."""
    started = time.perf_counter()
    folder = copy_checkout(Path(tempfile.mkdtemp(dir=scratch)), without_compiled=mutation.file)
    path = folder / mutation.file
    text = path.read_text()
    if text.count(mutation.old) != 1:
        return Outcome(f"occurs {text.count(mutation.old)} times", mutation.file, 0.0)
    path.write_text(text.replace(mutation.old, mutation.new))
    code, failed = run_tests(folder, mutation.tests)
    shutil.rmtree(folder)
    verdict = {0: "SURVIVED", 1: "killed"}.get(code, "did not run")
    return Outcome(verdict, failed, time.perf_counter() - started)


class FirstFailure:
    """A pytest plugin that keeps the name of the first test that failed."""

    test = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Called by pytest after each phase of each test."""
        if report.failed and not self.test:
            self.test = report.nodeid


def run_tests(folder: Path, tests: str, timeout: int = TIMEOUT) -> tuple[int, str]:
    """pytest in a copy of the checkout, up to the first failure or the timeout in seconds; only once in a process.

    Returns:
        pytest's exit code, and the first test that failed.
    """
    first = FirstFailure()
    arguments = ["-x", "--tb=no", "-p", "no:cacheprovider", "--rootdir", str(folder), *shlex.split(tests)]
    with inside(folder, timeout):
        code = int(pytest.main(arguments, plugins=[first]))
    imported = Path(str(sys.modules["rdpp"].__file__)).resolve()
    assert folder.resolve() in imported.parents, f"not the copy in {folder} was tested, but {imported}"
    return code, first.test


@contextlib.contextmanager
def inside(folder: Path, timeout: int) -> Iterator[None]:
    """Work in a copy: its code first on the path, also that of child processes; silently, and not for ever."""
    assert "rdpp" not in sys.modules
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    os.environ["PYTHONPATH"] = str(folder)
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.alarm(timeout)
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
        yield
    signal.alarm(0)


def copy_checkout(folder: Path, without_compiled: str = "") -> Path:
    """Every file that git tracks or would, as it is in the working tree; and what numba has compiled of it.

    Args:
        folder: to copy to.
        without_compiled: a file whose compiled code is left out, since it is about to change.
    """
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    compiled = [path.relative_to(ROOT).as_posix() for path in (ROOT / "rdpp").rglob("__pycache__/*.nb[ci]")]
    names += [name for name in compiled if not Path(name).name.startswith(f"{Path(without_compiled).stem}.")]
    for name in names:
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


if __name__ == "__main__":
    sys.exit(main())
