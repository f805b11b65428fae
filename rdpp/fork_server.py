"""Imported first by the process that workers are forked from, `multiprocessing`'s fork server: see `rdpp.workers.crew`.

It lives as long as the command, whoever is told to stop: were it ended, the command would not learn how its workers
end. So it leaves the group of processes that a terminal signals, and no signal of `SIGNALS` reaches it. They are
blocked, not ignored: what comes for a worker before it has begun reaches it as soon as it unblocks them.

When the command is killed it ends after the last worker, and removes the folder of the socket that it listened to.
Imported elsewhere, this module does nothing.
"""

import atexit
import os
import shutil
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

from rdpp.stopping import SIGNALS


def _folders() -> list[Path]:
    """Of the sockets that this process listens to: one."""
    names = []
    for descriptor in map(int, os.listdir("/proc/self/fd")):
        with suppress(OSError):  # not a socket
            own = socket.socket(fileno=descriptor)
            names.append(own.getsockname())
            own.detach()  # it stays open
    files = [Path(name) for name in names if isinstance(name, str)]
    return [file.parent for file in files if file.name.startswith("listener-")]


if any("multiprocessing.forkserver" in word for word in sys.orig_argv):
    os.setpgrp()
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    for folder in _folders():
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
