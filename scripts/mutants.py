"""Break the code in many small ways, each in a copy of its own, and see the tests notice.

python scripts/mutants.py [--jobs N] [WORD ...]     only mutations with one of the words in their name or file

A mutation is killed when a test fails. The exit code is 1 if any survives, does not apply any more, or keeps
the tests from running at all.
"""

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

from mutations import MUTATIONS, Mutation

ROOT = Path(__file__).resolve().parents[1]
TIMEOUT = 300


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
    with tempfile.TemporaryDirectory(prefix="rdpp-mutants-") as name, ThreadPoolExecutor(options.jobs) as pool:
        scratch, bad = Path(name), 0
        if problem := unmutated(chosen, scratch, pool):
            print(problem)
            return 1
        outcomes = pool.map(partial(attempt, scratch=scratch), chosen)
        for mutation, outcome in zip(chosen, outcomes, strict=True):
            bad += outcome.verdict != "killed"
            print(f"{mutation.name:48} {outcome.verdict:12} {outcome.seconds:5.1f} s  {outcome.test}", flush=True)
    print(f"{len(chosen) - bad} of {len(chosen)} killed")
    return int(bad > 0 or not chosen)


def unmutated(mutations: Sequence[Mutation], scratch: Path, pool: Executor) -> str | None:
    """What is wrong before anything is broken: the copy is not what gets imported, or its tests fail."""
    folder = copy_checkout(Path(tempfile.mkdtemp(dir=scratch)))
    code = "import rdpp; print(rdpp.__file__)"
    done = subprocess.run([sys.executable, "-c", code], cwd=scratch, env=environment(folder), capture_output=True)
    imported = Path(done.stdout.decode().strip() or ".").resolve()
    if folder.resolve() not in imported.parents:
        return f"not the copy in {folder} was imported, but {imported}: every mutation would seem to survive"
    needed = sorted({mutation.tests for mutation in mutations})
    runs = zip(needed, pool.map(partial(run_tests, folder), needed), strict=True)
    broken = [tests for tests, done in runs if done.returncode != 0]
    return f"these fail without any mutation: {'; '.join(broken)}" if broken else None


def attempt(mutation: Mutation, scratch: Path) -> Outcome:
    """Apply one mutation to a copy and run its tests there."""
    started = time.perf_counter()
    folder = copy_checkout(Path(tempfile.mkdtemp(dir=scratch)), without_compiled=mutation.file)
    path = folder / mutation.file
    text = path.read_text()
    if text.count(mutation.old) != 1:
        return Outcome(f"occurs {text.count(mutation.old)} times", mutation.file, 0.0)
    path.write_text(text.replace(mutation.old, mutation.new))
    try:
        done = run_tests(folder, mutation.tests)
    except subprocess.TimeoutExpired:
        return Outcome("killed", "(time is up)", time.perf_counter() - started)
    shutil.rmtree(folder)
    failed = re.search(r"^(?:FAILED|ERROR) (\S+(?: .*?\])?)", done.stdout, re.MULTILINE)
    verdict = {0: "SURVIVED", 1: "killed"}.get(done.returncode, "did not run")
    return Outcome(verdict, failed.group(1) if failed else "", time.perf_counter() - started)


def run_tests(folder: Path, tests: str) -> "subprocess.CompletedProcess[str]":
    """pytest in a copy of the checkout, up to the first failure."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--tb=no", "-rfE", "-p", "no:cacheprovider"]
    return subprocess.run(
        [*command, *shlex.split(tests)],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )


def environment(folder: Path) -> dict[str, str]:
    """The copy's code first on the path, one thread, no names of tests cut short, bytecode of libraries shared."""
    own = {"PYTHONPATH": str(folder), "PYTHONPYCACHEPREFIX": str(folder.parent / "bytecode")}
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return inherited | own | {"OMP_NUM_THREADS": "1", "COLUMNS": "400"}


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
