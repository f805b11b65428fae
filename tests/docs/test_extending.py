"""The examples of docs/extending.md, followed literally in a copy of the package."""

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


@pytest.fixture
def copy(tmp_path):
    """A copy of package and tests. The kernels are a link: their compiled loops are kept beside them."""
    ignored = shutil.ignore_patterns("__pycache__", "golden", "kernels")
    for folder in ("rdpp", "tests"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=ignored)
    (tmp_path / "rdpp" / "kernels").symlink_to(ROOT / "rdpp" / "kernels")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


@pytest.mark.parametrize("title", ["A loss", "A noise", "A reader", "A metric"])
def test_an_example_passes_the_conformance_tests(title, copy):
    text = section(title)
    follow(text, copy)
    (command,) = COMMAND.findall(text)
    arguments = [sys.executable, "-m", *shlex.split(command), "-p", "no:cacheprovider", "-p", "no:xdist"]
    environment = {**os.environ, "PYTHONPATH": str(copy)}
    done = subprocess.run(arguments, cwd=copy, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
