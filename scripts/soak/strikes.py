"""Whom a soak strikes, and when: processes are found by the locks that they hold."""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

PHASES = ("training", "saving", "logging", "claiming", "starting")
"""In a batch; while a state is written; while records are sent; while a trial is drawn or told; as a worker starts."""
_PAUSE = 3.0
"""Seconds between two strikes."""
_START = 2.0
"""Seconds within which a worker has begun."""
_KNOWN = 0.3
"""Seconds for which a command's workers are remembered: to look through all processes takes milliseconds."""


class Striker:
    """Sends signals to the workers of a command, or to itself where it has none, one now and then."""

    def __init__(
        self, work: Path, counts: dict[str, int], suspended: float, seed: int, acts: dict[str, Callable[[], object]]
    ) -> None:
        """Args:
        work: the work folder.
        counts: how often each of PHASES is struck by SIGKILL; `command`: by SIGKILL, and `term` by SIGTERM, the process
            that started the workers; `stop`: a worker by SIGSTOP.
        suspended: seconds until a suspended worker goes on.
        seed: of the order.
        acts: other kinds, and what they do; it is done while the others go on.
        """
        self._work, self._suspended = work, suspended
        self._left = [kind for kind, count in counts.items() for _ in range(count)]
        self._random = random.Random(seed)
        self._random.shuffle(self._left)
        self._next = time.monotonic() + _PAUSE
        self._asleep: dict[int, float] = {}
        self._ended: set[int] = set()
        self._workers: tuple[float, list[int]] = (0.0, [])
        self._acts, self._acting = acts, ThreadPoolExecutor(1)
        self._act: Future[object] | None = None
        self.struck: Counter[str] = Counter()

    def strike(self, command: int) -> None:
        """Strike if it is time and somebody is in the phase that comes next.

        Args:
            command: the process that started the workers.
        """
        now = time.monotonic()
        for pid in [pid for pid, until in self._asleep.items() if now >= until]:
            self._send(pid, signal.SIGCONT)
            del self._asleep[pid]
        if not self._left or now < self._next or command in self._ended:
            return
        kind = self._left[-1]
        if kind in self._acts:
            self._begin(kind, now)
            return
        victim = command if kind in ("command", "term") else self._victim(kind, command)
        if victim is None:
            self._give_way(now)
            return
        self._left.pop()
        number = {"term": signal.SIGTERM, "stop": signal.SIGSTOP}.get(kind, signal.SIGKILL)
        if self._send(victim, number):
            self.struck[kind] += 1
        if kind == "stop":
            self._asleep[victim] = now + self._suspended
        if victim == command:
            self._ended.add(command)
        self._next = now + self._random.uniform(0.5, 2 * _PAUSE)

    def _begin(self, kind: str, now: float) -> None:
        """Do something else than to send a signal, when the last such thing is over."""
        if self._act is not None and not self._act.done():
            self._give_way(now)
            return
        if self._act is not None:
            self._act.result()
        self._left.pop()
        self._act = self._acting.submit(self._acts[kind])
        self.struck[kind] += 1
        self._next = now + self._random.uniform(0.5, 2 * _PAUSE)

    def release(self) -> None:
        """Let everybody go on."""
        if self._act is not None:
            self._act.result()
        for pid in self._asleep:
            self._send(pid, signal.SIGCONT)
        self._asleep.clear()

    def stopped(self, command: int) -> bool:
        """Whether a command was ended by a strike."""
        return command in self._ended

    def _give_way(self, now: float) -> None:
        """Another kind comes first if nobody is in this phase for long."""
        if now > self._next + 4 * _PAUSE:
            self._random.shuffle(self._left)
            self._next = now

    def _victim(self, kind: str, command: int) -> int | None:
        workers = [pid for pid in self._children(command) or [command] if pid not in self._asleep]
        if kind == "starting":
            young = [pid for pid in workers if _age(pid) < self._random.uniform(0.1, _START)]
            return self._random.choice(young) if young else None
        prefix = {"logging": "deliver-", "claiming": "study-"}.get(kind, "run-")
        holders = [pid for pid, name in self._holders(prefix) if pid in workers]
        if kind == "saving":
            holders = holders if any(self._work.glob("*/.state-*")) else []
        return self._random.choice(holders) if holders else None

    def _children(self, command: int) -> list[int]:
        now = time.monotonic()
        if now > self._workers[0] + _KNOWN:
            self._workers = now, _children(command)
        return self._workers[1]

    def _holders(self, prefix: str) -> list[tuple[int, str]]:
        """Processes that hold locks, with the locks' names."""
        inodes = {}
        for file in (self._work / "locks").glob(f"{prefix}*.lock"):
            try:
                inodes[file.stat().st_ino] = file.stem
            except FileNotFoundError:
                continue
        held = (line.split() for line in Path("/proc/locks").read_text().splitlines())
        return [
            (int(fields[4]), inodes[inode])
            for fields in held
            if fields[1] == "FLOCK" and (inode := int(fields[5].split(":")[2])) in inodes
        ]

    def _send(self, pid: int, number: int) -> bool:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return False
        return True


def _children(command: int) -> list[int]:
    """Workers of a command: they are forked by a child of it that does nothing else."""
    parents: dict[int, int] = {}
    servers = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            pid, parent = int(folder.name), int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            parents[pid] = parent
            if parent == command and b"forkserver" in (folder / "cmdline").read_bytes():
                servers.append(pid)
        except (FileNotFoundError, ProcessLookupError):
            continue
    return [pid for pid, parent in parents.items() if parent in servers]


def _age(pid: int) -> float:
    """Seconds since a process began."""
    try:
        ticks = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except (FileNotFoundError, ProcessLookupError):
        return float("inf")
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
