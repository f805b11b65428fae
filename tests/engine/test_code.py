"""Which code decides a result."""

from pathlib import Path

import pytest

import rdpp.engine.code as code


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of its own."""
    files = ["losses/ssot.py", "losses/deep/more.py", "cli/train.py", "tracking/tree.py", "detector.py"]
    for name in [*files, "experiment.py", "types.py", "losses/notes.txt"]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    monkeypatch.setattr(code, "__file__", str(tmp_path / "engine" / "code.py"))
    return tmp_path


def digest():
    return code.code_digest.__wrapped__()


@pytest.mark.parametrize("name", ["losses/ssot.py", "losses/deep/more.py", "detector.py", "experiment.py", "types.py"])
def test_a_file_that_decides_changes_the_digest(package, name):
    before = digest()
    assert len(before) == 16
    (package / name).write_text("other")
    assert digest() != before
    (package / name).write_text(name)
    assert digest() == before


@pytest.mark.parametrize("name", ["cli/train.py", "tracking/tree.py", "losses/notes.txt"])
def test_other_files_do_not(package, name):
    before = digest()
    (package / name).write_text("other")
    assert digest() == before


def test_a_file_that_moves_or_comes_changes_it(package):
    before = digest()
    (package / "losses/ssot.py").rename(package / "losses/other.py")
    moved = digest()
    (package / "losses/empty.py").touch()
    assert len({before, moved, digest()}) == 3


def test_every_package_that_a_run_is_computed_by_is_part_of_it():
    """Those that the engine imports; a new one has to be named."""
    import ast

    root = Path(code.__file__).parents[1]
    named = {*code._DECIDING, *(Path(name).stem for name in code._BESIDE)}
    # they find and read settings and files, and decide nothing
    aside = {"built_in", "config", "folders", "yaml_file", "interval", "compiled"}
    found = set()
    for package in named:
        paths = [root / f"{package}.py"] if (root / f"{package}.py").is_file() else (root / package).rglob("*.py")
        for path in paths:
            for node in ast.walk(ast.parse(path.read_text())):
                modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                modules += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                found |= {name.split(".")[1] for name in modules if name.startswith("rdpp.")}
    assert found <= named | aside
