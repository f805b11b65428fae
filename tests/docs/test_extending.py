"""The examples of docs/extending.md, followed literally, all of them in one copy of the package."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "extending.md"
BLOCK = re.compile(r'^```(python|diff) title="(.+?)"\n(.*?)^```$', re.DOTALL | re.MULTILINE)
COMMAND = re.compile(r"^    \.venv/bin/python -m (pytest .+)$", re.MULTILINE)


def section(title):
    """What stands under a heading of the page."""
    return PAGE.read_text().split(f"\n## {title}\n")[1].split("\n## ")[0]


def follow(text, root):
    """Write the files and apply the patches of a section."""
    blocks = BLOCK.findall(text)
    assert len(blocks) >= 2
    for kind, name, content in blocks:
        path = root / name
        if kind == "python":
            assert not path.exists(), f"{name} is there already"
            path.write_text(content)
        else:
            path.write_text(patched(path.read_text(), content, name))


def patched(source, patch, name):
    """The source with the lines of a patch taken away and added."""
    lines = patch.splitlines(keepends=True)
    old, new = ("".join(line[1:] for line in lines if line[0] in signs) for signs in (" -", " +"))
    assert source.count(old) == 1, f"{name} must have this once:\n{old}"
    return source.replace(old, new)


EXAMPLES = ["A loss", "A noise", "A reader", "A metric"]
RUN = """
import json, sys, pytest
codes = {title: int(pytest.main(arguments)) for title, arguments in json.loads(sys.argv[1]).items()}
print(json.dumps(codes))
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of package and tests, with the compiled loops, that are kept beside the modules."""
    folder, ignored = tmp_path_factory.mktemp("copy"), shutil.ignore_patterns("*.pyc", "golden")
    for part in ("rdpp", "tests"):
        shutil.copytree(ROOT / part, folder / part, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


@pytest.fixture(scope="module")
def done(copy):
    """The exit code of each example's command, and what all of them wrote. They run in one process: to import takes
    longer than to test."""
    commands = {}
    for title in EXAMPLES:
        text = section(title)
        follow(text, copy)
        ((_, *arguments),) = map(shlex.split, COMMAND.findall(text))
        commands[title] = [*arguments, "-p", "no:cacheprovider", "-p", "no:xdist"]
    environment = {**os.environ, "PYTHONPATH": str(copy)}
    run = [sys.executable, "-c", RUN, json.dumps(commands)]
    found = subprocess.run(run, cwd=copy, env=environment, capture_output=True, text=True, timeout=300)
    assert found.returncode == 0, found.stdout + found.stderr
    return json.loads(found.stdout.splitlines()[-1]), found.stdout + found.stderr


@pytest.mark.parametrize("title", EXAMPLES)
def test_an_example_passes_the_conformance_tests(title, done):
    codes, written = done
    assert codes[title] == 0, written
