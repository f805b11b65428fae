"""Imported first by the process that workers are forked from, `multiprocessing`'s fork server: see `rdpp.workers.crew`.

It lives as long as the command, whoever is told to stop: were it ended, the command would not learn how its workers
end. So it leaves the group of processes that a terminal signals, and no signal of `SIGNALS` reaches it. They are
blocked, not ignored: what comes for a worker before it has begun reaches it as soon as it unblocks them.
"""

import os
import signal

from rdpp.stopping import SIGNALS

os.setpgrp()
signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
