"""Where numba keeps what it compiles: beside the code, else in the user's cache, else in a folder of the user's own.

numba refuses to import the code where neither of the first two can be written, such as in a container with a read-only
installation and a user without a home. It reads NUMBA_CACHE_DIR when it is imported.
"""

import os
import sys
from pathlib import Path

_VARIABLE = "NUMBA_CACHE_DIR"
_PACKAGE = Path(__file__).parent


def ensure_compiled_cache(package: Path = _PACKAGE) -> None:
    """Name a private folder for compiled code where numba would find none, and say so."""
    users = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")) / "numba"
    if os.environ.get(_VARIABLE) or _is_writable(package) or _is_writable(users):
        return
    folder = _private_folder()
    os.environ[_VARIABLE] = str(folder)
    print(
        f"rdpp: neither {package} nor {users} can be written; compiled code is kept in {folder} (set {_VARIABLE} to "
        "keep it elsewhere)",
        file=sys.stderr,
    )


def _is_writable(folder: Path) -> bool:
    """Whether files can be made in a folder; where it does not exist, in the one in which it would be made."""
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    return os.access(existing, os.W_OK | os.X_OK)


def _private_folder() -> Path:
    """Of this user alone, since what lies in it is executed; the same each time, where that can be had."""
    import tempfile  # only here: it takes a tenth of the time of `rdpp --help`

    if hasattr(os, "getuid"):
        folder = Path(tempfile.gettempdir()) / f"rdpp-compiled-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
        if not folder.is_symlink() and status.st_uid == os.getuid() and not status.st_mode & 0o077:
            return folder
    return Path(tempfile.mkdtemp(prefix="rdpp-compiled-"))
