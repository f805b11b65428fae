"""Other processes: forked from one that has imported torch, which takes seconds in each new interpreter.

The functions that they call stand here: another process finds this module by its name.
"""

import multiprocessing
import time

import rdpp.data.cache
from rdpp.data import load_train, scan
from rdpp.engine import RunSpec, train
from rdpp.experiment import ExperimentConfig

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["rdpp.fork_server", "rdpp.engine"])


class Counted:
    """Decodes an image and counts it; `before` is called first."""

    def __init__(self, before):
        self._decode, self._before, self.count = rdpp.data.cache.decode, before, 0

    def __call__(self, *arguments):
        self.count += 1
        self._before()
        return self._decode(*arguments)


def build_slowly(pipe, data, cache, seconds):
    """Decode the training images of `bolt`: tell of each, and at the end their number and sum."""

    def before():
        pipe.send("decoding")
        time.sleep(seconds)

    rdpp.data.cache.decode = Counted(before)
    split = load_train(scan(data, "bolt"), (128, 128), cache)
    pipe.send((rdpp.data.cache.decode.count, float(split.images.sum())))


def go_on(pipe, experiment, state):
    """Go on with a run of `bolt` with seed 1, and tell its metrics."""
    result = train(RunSpec.of(ExperimentConfig.from_mapping(experiment, "state"), "bolt", 1), resume=state)
    pipe.send(dict(result.evaluation.metrics))


class Other:
    """A process that calls a function of this module with a pipe to tell what it does, and the arguments.

    It is killed at the end of the block, if it has not ended.
    """

    def __init__(self, function, *arguments):
        self._pipe, theirs = CONTEXT.Pipe(duplex=False)
        self.process = CONTEXT.Process(target=function, args=(theirs, *arguments))
        self.process.start()
        theirs.close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.process.kill()
        self.process.join()
        self._pipe.close()

    def tells(self):
        """The next thing that it tells; EOFError where it ended without."""
        assert self._pipe.poll(60)
        return self._pipe.recv()
