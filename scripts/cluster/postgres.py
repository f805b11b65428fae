"""A PostgreSQL server in a folder, for this machine alone."""

import os
import pwd
import secrets
import shutil
import subprocess
from pathlib import Path

import psutil
import psycopg
from ports import HOST, usable
from psycopg import sql

from rdpp.config import ConfigError

USER = "rdpp"
_SECONDS = "60"
"""That a server may take to start or to stop."""
_ACCOUNTS = ("postgres", "nobody")
"""As whom the server runs where it is started by root, which PostgreSQL refuses."""


def programs() -> Path:
    """The folder of PostgreSQL's programs: that in the PATH, else the newest of Debian's.

    Raises:
        ConfigError: there is none.
    """
    found = [Path(path).parent for name in ("initdb", "pg_ctl") if (path := shutil.which(name))]
    if len(found) == 2:
        return found[1]
    versions = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = max(versions, key=lambda path: int(path.parts[-3]), default=None)
    if newest is None:
        raise ConfigError("PostgreSQL is not installed (no initdb); install it (Debian: apt install postgresql)")
    return newest.parent


class Postgres:
    """One server. The random password of its superuser, `rdpp`, stands in a file for libpq (PGPASSFILE) alone."""

    def __init__(self, folder: Path, port: int = 5433) -> None:
        """Args:
        folder: of all that belongs to the server; it is made where it is missing.
        port: on 127.0.0.1; 0 for any that is free.
        """
        self.folder, self.port = folder.absolute(), port
        self.passfile = self.folder / "passfile"
        self._data = self.folder / "postgres" / "data"
        self.log = self.folder / "postgres" / "server.log"

    def url(self, database: str, *, password: bool = False) -> str:
        """A database's address, for SQLAlchemy. Without the password, PGPASSFILE says it."""
        user = f"{USER}:{self._password()}" if password else USER
        return f"postgresql+psycopg://{user}@{HOST}:{self.port}/{database}"

    def is_running(self) -> bool:
        """Whether it runs, whoever has started it; `port` is then the one where it listens."""
        process = self._process()
        if process is not None:
            self.port = int((self._data / "postmaster.pid").read_text().splitlines()[3])
        return process is not None

    def start(self) -> bool:
        """Start it, and wait until it answers. What is missing is made.

        Returns:
            False where it runs already.

        Raises:
            ConfigError: what a user can mend.
        """
        if self.is_running():
            return False
        self.port = usable(self.port, "PostgreSQL", "--postgres-port")
        if not self._data.exists():
            self._create()
        options = f"-c listen_addresses={HOST} -c unix_socket_directories='' -p {self.port}"
        self._run("pg_ctl", "start", "-w", "-t", _SECONDS, "-D", self._data, "-l", self.log, "-o", options)
        return True

    def stop(self, mode: str = "fast") -> None:
        """Stop it; nothing where it does not run.

        Args:
            mode: `fast` ends connections and writes all; `immediate` is as if the machine had failed.
        """
        if self.is_running():
            self._run("pg_ctl", "stop", "-w", "-t", _SECONDS, "-D", self._data, "-m", mode)

    def restart(self, mode: str = "fast") -> None:
        """Stop it, and start it on the same port."""
        self.stop(mode)
        self.start()

    def kill(self) -> None:
        """End it by SIGKILL, as the kernel does where memory is short, and wait until its children are gone too."""
        process = self._process()
        assert process is not None, "it runs"
        family = [process, *process.children()]
        process.kill()
        psutil.wait_procs(family, timeout=float(_SECONDS))

    def create_database(self, name: str) -> None:
        """Make an empty database, where it is missing."""
        with psycopg.connect(
            host=HOST, port=self.port, user=USER, dbname="postgres", passfile=str(self.passfile), autocommit=True
        ) as connection:
            if not connection.execute("SELECT FROM pg_database WHERE datname = %s", (name,)).fetchall():
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))

    def _process(self) -> psutil.Process | None:
        """The server's first process. A file of one that was killed may name a number that another process has now."""
        try:
            process = psutil.Process(int((self._data / "postmaster.pid").read_text().splitlines()[0]))
            return process if Path(process.cwd()) == self._data.resolve() else None
        except (FileNotFoundError, psutil.NoSuchProcess, psutil.AccessDenied):
            return None

    def _create(self) -> None:
        """The data's folder: beside its place, and moved there when it is complete."""
        home, account = self._data.parent, _account()
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        if account is not None:
            os.chown(home, account.pw_uid, account.pw_gid)
            self._check_way(account)
        begun, pwfile = home / "data-new", home / "password"
        shutil.rmtree(begun, ignore_errors=True)
        _write_secret(pwfile, self._password())
        if account is not None:
            os.chown(pwfile, account.pw_uid, account.pw_gid)
        try:
            self._run(
                *("initdb", "--auth=scram-sha-256", f"--pwfile={pwfile}", f"--username={USER}"),
                *("--encoding=UTF8", "--locale=C", "-D", begun),
            )
        finally:
            pwfile.unlink()
        begun.rename(self._data)

    def _check_way(self, account: pwd.struct_passwd) -> None:
        way = ["test", "-x", str(self._data.parent)]
        if subprocess.run(way, user=account.pw_uid, group=account.pw_gid, extra_groups=[], cwd="/").returncode:
            raise ConfigError(
                f"PostgreSQL does not run as root, and the user {account.pw_name} cannot enter {self.folder}; "
                "give another folder with --folder"
            )

    def _password(self) -> str:
        if not self.passfile.exists():
            _write_secret(self.passfile, f"{HOST}:*:*:{USER}:{secrets.token_hex(16)}\n")
        return self.passfile.read_text().strip().rpartition(":")[2]

    def _run(self, program: str, *arguments: str | Path) -> None:
        """One of PostgreSQL's programs, with an environment of its own: PGDATA and the like would change its work."""
        account = _account()
        done = subprocess.run(
            [programs() / program, *arguments],
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
            cwd="/",  # the account may not be allowed to be where the caller is
            user=account and account.pw_uid,
            group=account and account.pw_gid,
            extra_groups=account and [],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        if done.returncode:
            reason = " ".join(done.stderr.split())[:200]
            raise ConfigError(f"PostgreSQL's {program} failed ({reason}); see {self.log}")


def _account() -> pwd.struct_passwd | None:
    """As whom PostgreSQL's programs run; None: as the caller."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    return next(known[name] for name in _ACCOUNTS if name in known)


def _write_secret(path: Path, text: str) -> None:
    """A file that its owner alone reads, from its first moment on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
