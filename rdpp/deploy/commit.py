"""Training with the package as it was at a commit: in a fresh clone, by a process of its own."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rdpp.config import ConfigError, require
from rdpp.deploy import replay_worker

_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")


def recorded_commit(run_id: str, tags: Mapping[str, str]) -> str:
    """The commit that trained a run.

    Raises:
        ConfigError: none was recorded.
    """
    commit = tags.get("git_commit", "")
    require(
        bool(_COMMIT.fullmatch(commit)),
        f"the run {run_id} recorded no commit: its rdpp lay in no git checkout; replay it without --at-commit",
    )
    return commit


def own_repository() -> str:
    """The repository that this package lies in.

    Raises:
        ConfigError: it lies in none.
    """
    package = Path(__file__).parents[1]
    found = _git("-C", str(package), "rev-parse", "--show-toplevel")
    if found.returncode != 0:
        raise ConfigError(f"{package} lies in no git checkout; name the repository with --repository PATH|URL")
    return found.stdout.strip()


def clone_at(commit: str, repository: str, folder: Path) -> Path:
    """Clone a repository into a folder that does not exist yet, and check a commit out.

    Returns:
        The package's folder in it.

    Raises:
        ConfigError: the repository cannot be cloned, has no such commit, or no package `rdpp` there.
    """
    cloned = _git("clone", "--quiet", "--no-checkout", "--", repository, str(folder))
    if cloned.returncode != 0:
        raise ConfigError(f"the repository {repository} cannot be cloned ({_last_line(cloned.stderr)})")
    if _git("-C", str(folder), "checkout", "--quiet", "--detach", commit).returncode != 0:
        raise ConfigError(
            f"the repository {repository} has no commit {commit}; name one that has it with --repository PATH|URL"
        )
    package = folder / "rdpp"
    require((package / "__init__.py").is_file(), f"commit {commit} of {repository} has no package rdpp")
    return package


def train_with(package: Path, configuration: Any, changes: Mapping[str, Any], scratch: Path) -> dict[str, Any]:
    """Train a recorded run with another copy of the package. Compiled code is kept in the scratch folder.

    Args:
        package: its folder.
        configuration: plain data, as the run recorded it.
        changes: overrides by dotted path.
        scratch: an existing folder.

    Returns:
        Its final values, see `replay_worker.final_values`.

    Raises:
        ConfigError: it failed.
    """
    (scratch / "request.json").write_text(json.dumps({"configuration": configuration, "changes": dict(changes)}))
    environment = {**os.environ, "PYTHONPATH": str(package.parent), "NUMBA_CACHE_DIR": str(scratch / "numba")}
    # -P: else the worker's own folder, which is of this package, would come before the other
    command = [sys.executable, "-P", str(Path(replay_worker.__file__)), str(scratch)]
    done = subprocess.run(command, env=environment, stderr=subprocess.PIPE, stdout=sys.stderr, text=True, check=False)
    if done.returncode != 0:
        raise ConfigError(f"training with {package} failed: {_last_line(done.stderr)}")
    answer = json.loads((scratch / "answer.json").read_text())
    used = Path(answer["package"]).resolve()
    require(used == package.resolve(), f"{used} was imported instead of {package}; see PYTHONPATH and sys.path")
    return answer["values"]


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise ConfigError("git is not installed; replay without --at-commit") from None


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it said nothing"])[-1]
