"""Which code ran."""

import subprocess
from functools import lru_cache
from pathlib import Path

from rdpp import __version__


@lru_cache
def code_tags() -> dict[str, str]:
    """`rdpp_version`, and where the package lies in a git checkout `git_commit` and `git_dirty` (true | false)."""
    tags = {"rdpp_version": __version__}
    commit = _git("rev-parse", "HEAD")
    if commit:
        tags |= {"git_commit": commit, "git_dirty": str(bool(_git("status", "--porcelain"))).lower()}
    return tags


def code_comment() -> str:
    """One comment line for the head of a resolved configuration."""
    tags = code_tags()
    commit = f", commit {tags['git_commit']}" if "git_commit" in tags else ""
    dirty = " with uncommitted changes" if tags.get("git_dirty") == "true" else ""
    return f"# rdpp {tags['rdpp_version']}{commit}{dirty}\n"


def _git(*arguments: str) -> str:
    """Output of git in the package's folder; empty where there is no git or no checkout."""
    try:
        done = subprocess.run(
            ["git", "-C", str(Path(__file__).parent), *arguments], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
