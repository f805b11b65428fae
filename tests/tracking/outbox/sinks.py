"""A store for tests of the delivery: a list, which is away or refuses records on demand."""

import threading


class Away(Exception):
    """What a store that is away raises."""


def outage(error):
    return str(error) if isinstance(error, Away) else None


class FakeSink:
    """Keeps what is written, by node; fails at texts that say so."""

    def __init__(self):
        self.written, self.threads, self.opened, self.tries = [], set(), set(), 0
        self.away = False

    def knows(self, node):
        if self.away:
            raise Away("connection refused")
        return node in self.opened

    def write(self, record, failure):
        self.tries += 1
        self.threads.add(threading.current_thread().name)
        if self.away:
            raise Away("connection refused")
        if record.payload.get("text") == "fail":
            raise RuntimeError("no such tag")
        if record.kind == "open":
            self.opened.add(record.node)
        self.written.append((record.node, record.payload.get("text", record.kind), failure and str(failure)))

    def texts(self, node=None):
        """What was written, of one node or of all."""
        return [text for of, text, _ in self.written if node in (None, of)]
