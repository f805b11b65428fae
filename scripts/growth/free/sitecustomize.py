"""Python imports this at its start, where this folder is on PYTHONPATH: runs cost nothing, and what is around them is
timed.

The first run of a process is trained; the others tell its events again, as their own and with values that differ. A
line of the file RDPP_GROWTH_LOG is a JSON object: what was done, when it began, its seconds, those of the CPU in its
thread, and what it was done to.
"""

import os
import sys
from typing import Any


def _for_nothing():
    import dataclasses
    import random

    from rdpp.engine import RunFinished, RunStarted
    from rdpp.runs import one

    train: Any = one.train
    events: list[Any] = []

    def changed(evaluation, key):
        if evaluation is None:
            return None
        factor = 0.5 + 0.5 * random.Random(key).random()
        return dataclasses.replace(evaluation, metrics={k: factor * v for k, v in evaluation.metrics.items()})

    def of(event: Any, spec: Any) -> Any:
        if isinstance(event, RunStarted):
            return dataclasses.replace(event, spec=spec)
        if isinstance(event, RunFinished):
            key, result = spec.identity.training, event.result
            own = {"evaluation": changed(result.evaluation, key), "held_out": changed(result.held_out, key)}
            return dataclasses.replace(event, result=dataclasses.replace(result, spec=spec, **own))
        return event

    def replay(spec, *, observers=(), **how):
        if not events:
            return train(spec, observers=[*observers, events.append], **how)
        for event in [of(event, spec) for event in events]:
            for observer in observers:
                observer(event)
        return next(of(event, spec).result for event in events if isinstance(event, RunFinished))

    one.train = replay


def _timed(path):
    import functools
    import json
    import time

    from rdpp.sweep.job import StudyJob
    from rdpp.sweep.points import Points
    from rdpp.tracking.outbox.sender import Sender

    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def wrap(kind, name, of):
        method = getattr(kind, name)

        @functools.wraps(method)
        def timed(self, *args, **kwargs):
            began, wall, cpu = time.time(), time.perf_counter(), time.thread_time()
            result = method(self, *args, **kwargs)
            seconds, cpu = time.perf_counter() - wall, time.thread_time() - cpu
            line = {"what": name, "at": began, "seconds": seconds, "cpu": cpu, "of": of(args, result)}
            os.write(file, (json.dumps(line) + "\n").encode())
            return result

        setattr(kind, name, timed)

    for name in ("ask", "tell", "put", "all"):
        wrap(Points, name, lambda args, result: result if isinstance(result, int) else None)
    for name in ("open_more", "settle", "done"):
        wrap(StudyJob, name, lambda args, result: None)
    wrap(Sender, "send", lambda args, result: args[0].node if args[0].training is not None else None)


if "RDPP_GROWTH_LOG" in os.environ and "resource_tracker" not in " ".join(sys.orig_argv):
    _for_nothing()
    _timed(os.environ["RDPP_GROWTH_LOG"])
