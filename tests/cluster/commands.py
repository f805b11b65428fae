"""Commands in processes that are forked from one which has imported what they need, since that takes seconds."""

import multiprocessing
import os
import signal
import sys

from rdpp.cli import main
from rdpp.stopping import SIGNALS

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["rdpp.fork_server", "rdpp.sweep", "rdpp.ablation", "rdpp.workers"])


class Command:
    """`rdpp` with arguments, as on a machine of its own."""

    def __init__(self, words, environment, folder, output):
        """Begin.

        Args:
            words: its arguments.
            environment: its whole environment.
            folder: where it works.
            output: a file for all that it prints.
        """
        self._output = output
        self._process = CONTEXT.Process(target=_run, args=(words, environment, folder, output))
        self._process.start()

    def kill(self):
        """End it by SIGKILL, if it has not ended."""
        self._process.kill()
        self._process.join()

    def wait(self, seconds):
        """Its exit code, and what it printed."""
        self._process.join(seconds)
        return self._process.exitcode, self._output.read_text()


def _run(words, environment, folder, output):
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    with output.open("w") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    sys.exit(main(words))
