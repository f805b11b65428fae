"""The packages of rdpp, a line each: the first paragraph of each docstring, in the order in which they may import."""

import ast
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def table() -> str:
    """From the lowest layer to the highest; what stands in one row of the contract stands side by side.

    Raises:
        ValueError: a package that no layer names, or a layer without a package.
    """
    layers, here = _layers(), _modules()
    named = {name for layer in layers for name in layer}
    if named != set(here):
        raise ValueError(f"the layers in pyproject.toml and the packages differ in {sorted(named ^ set(here))}")
    rows = ["| layer | part | what it is |", "|---|---|---|"]
    for number, layer in enumerate(layers, 1):
        for name in layer:
            path = here[name]
            rows.append(f"| {number} | `{_shown(path)}` | {_told(path)} |")
            rows += [f"| | `{_shown(inner)}` | {_told(inner)} |" for inner in _packages_in(path)]
    return "\n".join(rows)


def _layers() -> list[list[str]]:
    """The import contract's layers, lowest first."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    return [[name.strip() for name in layer.split("|")] for layer in reversed(layers)]


def _modules() -> dict[str, Path]:
    """Packages and modules of rdpp by name."""
    files = [path for path in (ROOT / "rdpp").glob("*.py") if not path.stem.startswith("__")]
    packages = [path.parent for path in (ROOT / "rdpp").glob("*/__init__.py")]
    return {path.stem: path for path in (*files, *packages)}


def _packages_in(path: Path) -> list[Path]:
    return sorted(inner.parent for inner in path.glob("*/__init__.py"))


def _shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix() + ("/" if path.is_dir() else "")


def _told(path: Path) -> str:
    source = (path / "__init__.py" if path.is_dir() else path).read_text()
    told = ast.get_docstring(ast.parse(source))
    if not told:
        raise ValueError(f"{_shown(path)} has no docstring")
    return " ".join(told.split("\n\n")[0].split())
