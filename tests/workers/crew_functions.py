"""What workers of the tests do, in processes of their own."""

import os
import signal
from pathlib import Path

import psutil
import torch

from rdpp.config import ConfigError
from rdpp.stopping import SIGNALS


def die_once_then_fail(member, screen, stop, folder):
    """The first worker dies at once; started anew, it waits to be stopped. The second one then finds bad input."""
    name = Path(folder) / str(member.number)
    if member.number == 1 and not name.exists():
        name.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if member.number == 1:
        screen.line(f"worker 1 is back on {member.device} with {member.threads} threads")
        (Path(folder) / "back").touch()
        while True:
            stop.sleep(0.1)
    while not (Path(folder) / "back").exists():
        stop.sleep(0.1)
    screen.show(done=1.5, running="bolt seed 1")
    raise ConfigError("cannot decode the image a.png; replace it")


def show_command_line(member, screen, stop, storage):
    """The process's own, and what the worker was given."""
    screen.line(f"{storage} {psutil.Process().cmdline()}")


def signal_the_server(member, screen, stop):
    """The process that this one was forked from gets each signal that ends one, and lives; this one blocks none."""
    server = os.getppid()
    for number in SIGNALS:
        os.kill(server, number)
    assert os.getppid() == server
    own = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    screen.line(f"blocked here: {sorted(own)}; groups: {os.getpgrp() == os.getpid()}, {os.getpgid(server) == server}")


def begin_late(pipe):
    """Unblock signals after one was sent."""
    pipe.send("forked")
    pipe.recv()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def compute(member, screen, stop):
    """A sum on the worker's device."""
    screen.line(str(float(torch.ones(3, device=member.device).sum())))
