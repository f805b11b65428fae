"""Wheel and sdist: built, installed where there is no checkout, and used in an empty folder. Nothing is downloaded."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

from rdpp.built_in import FILES
from rdpp.cli import COMMANDS

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
YAML = {name for names in FILES.values() for name in names.values()}
SMALL = ["--categories", "bolt", "--seeds", "1", "--steps", "2", "--set", "data.image_size=64", "--set", "heatmaps=0"]


def done(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """A program's output; it must end well, and sees nothing of this checkout."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    ended = subprocess.run([*map(str, words)], cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, f"{words}: {ended.stdout}{ended.stderr}"
    return ended


@pytest.fixture(scope="module")
def uv():
    found = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if found is None:
        pytest.skip("no uv; make install installs it")
    return found


@pytest.fixture(scope="module")
def built(uv, tmp_path_factory):
    """The sdist, and the wheel that was built from the sdist alone."""
    folder = tmp_path_factory.mktemp("dist")
    done(
        uv,
        "build",
        "--quiet",
        "--no-build-isolation",
        "--python",
        sys.executable,
        "--out-dir",
        folder,
        ROOT,
        cwd=folder,
    )
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return sdist, wheel


@pytest.fixture(scope="module")
def rdpp(uv, built, tmp_path_factory):
    """The command of a new environment with the wheel, which sees this one's other packages by a .pth file."""
    folder = tmp_path_factory.mktemp("environment") / "venv"
    done(uv, "venv", "--quiet", "--python", sys.executable, folder, cwd=folder.parent)
    python = folder / "bin" / "python"
    done(uv, "pip", "install", "--quiet", "--offline", "--no-deps", "--python", python, built[1], cwd=folder.parent)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "others.pth").write_text(sysconfig.get_path("purelib"))
    return folder / "bin" / "rdpp"


def test_the_wheel_has_the_package_and_the_files_and_nothing_else(built):
    with zipfile.ZipFile(built[1]) as wheel:
        names = set(wheel.namelist())
    there = {path.relative_to(ROOT).as_posix() for path in (ROOT / "rdpp").rglob("*") if path.is_file()}
    there = {name for name in there if "__pycache__" not in name} | {f"rdpp/{name}" for name in YAML}
    assert {name for name in names if ".dist-info/" not in name} == there


def test_the_sdist_has_what_a_build_and_its_tests_need(built):
    with tarfile.open(built[0]) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    assert YAML | {"LICENSE", "README.md", "pyproject.toml", "rdpp/built_in.py", "tests/test_wheel.py"} <= names


def test_the_wheel_is_used_in_an_empty_folder(rdpp, tmp_path):
    where = done(rdpp.with_name("python"), "-c", "import rdpp; print(rdpp.__file__)", cwd=tmp_path).stdout
    assert Path(where.strip()).is_relative_to(rdpp.parents[1])
    data = tmp_path / "data/synthetic"
    told = done(rdpp, "--help", cwd=tmp_path).stdout
    assert set(COMMANDS) <= set(told.split())
    assert "rdpp sweep demo" in told
    missing = subprocess.run([rdpp, "sweep", "demo"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert missing.returncode == 2
    assert missing.stderr.endswith(f"no data in {data}; run: rdpp data synth {data}\n")  # its experiment was found
    done(rdpp, "data", "synth", "data/synthetic", "--size", 64, cwd=tmp_path)
    assert "rdpp predict IMAGES --model" in done(rdpp, "train", "demo", *SMALL, cwd=tmp_path).stderr
    done(rdpp, "init", cwd=tmp_path)
    written = {path.relative_to(tmp_path).as_posix() for path in tmp_path.glob("*/*.yaml")}
    assert written == YAML
    assert all((tmp_path / name).read_bytes() == (ROOT / name).read_bytes() for name in YAML)
