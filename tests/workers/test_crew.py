"""Workers are started, shown, started anew when they die, and stopped with the first problem."""

import io
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from crew_functions import begin_late, compute, die_once_then_fail, show_command_line, signal_the_server
from rich.console import Console

import rdpp.workers.crew as module
import rdpp.workers.watch as watch
from rdpp.config import ConfigError
from rdpp.display.screen import Terminal
from rdpp.stopping import Stopped
from rdpp.workers import Member, WorkerFailed
from rdpp.workers.crew import _Crew, run_crew
from rdpp.workers.process import Channel, RemoteScreen

TWO = [Member(number, "cpu", 2, 1.0) for number in (1, 2)]


@pytest.fixture
def shown():
    """A terminal that is none, and its text."""
    text = io.StringIO()
    return Terminal(4, Console(file=text, width=200)), text


def test_a_worker_that_dies_is_started_anew_and_bad_input_ends_all_with_its_line(shown, tmp_path):
    screen, text = shown
    with pytest.raises(ConfigError, match=r"^cannot decode the image a.png; replace it$"):
        run_crew(TWO, die_once_then_fail, (str(tmp_path),), screen)
    assert text.getvalue().splitlines() == [
        "worker 1 was ended by SIGKILL; another takes its place",
        "worker 1 is back on cpu with 2 threads",
    ]
    assert not multiprocessing.active_children()


def test_what_a_worker_is_given_does_not_stand_in_its_command_line(shown):
    screen, text = shown
    run_crew(TWO[:1], show_command_line, ("postgresql://ann:s3cret@host/db",), screen)
    given, _, command_line = text.getvalue().strip().partition(" ")
    assert given == "postgresql://ann:s3cret@host/db"
    assert "multiprocessing" in command_line
    assert "s3cret" not in command_line


def test_no_signal_ends_the_process_that_workers_are_forked_from(shown):
    screen, text = shown
    for _ in range(2):
        run_crew(TWO, signal_the_server, (), screen)
    assert text.getvalue().splitlines() == ["blocked here: []; groups: True, True"] * 4


def test_a_signal_that_comes_before_a_worker_has_begun_reaches_it(shown):
    run_crew(TWO[:1], show_command_line, ("",), shown[0])  # so that the fork server is there
    context = multiprocessing.get_context("forkserver")
    ours, theirs = context.Pipe()
    process = context.Process(target=begin_late, args=(theirs,))
    process.start()
    assert ours.recv() == "forked"
    os.kill(process.pid, signal.SIGTERM)
    ours.send("sent")
    process.join(60)
    assert process.exitcode == -signal.SIGTERM


NO_DEVICE = """
import threading
import torch
def refuse(*arguments, **options):
    raise AssertionError("a device was asked for")
for owner in (torch.cuda, torch._C):
    for name in ("is_available", "device_count", "_lazy_init", "_cuda_init", "_cuda_getDeviceCount"):
        if hasattr(owner, name):
            setattr(owner, name, refuse)
import rdpp.workers.crew, rdpp.workers.grid, rdpp.sweep, rdpp.ablation
print(threading.active_count())
"""


@pytest.mark.slow
def test_what_workers_need_is_imported_without_a_device_or_a_thread():
    """A process that is forked after CUDA was started cannot use it, and has its parent's threads no longer."""
    done = subprocess.run([sys.executable, "-c", NO_DEVICE], capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.returncode) == ("1\n", 0), done.stderr


KILLED = """
import multiprocessing, os, signal, sys
from pathlib import Path
from rdpp.runs import WorkFolder
from rdpp.workers.crew import _context
if __name__ == "__main__":
    with WorkFolder(Path(sys.argv[1])).in_use():
        process = _context(abs).Process(target=abs, args=(1,))
        process.start()
        print(multiprocessing.util.get_temp_dir(), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
def test_a_command_with_a_long_path_that_is_killed_leaves_no_socket(tmp_path):
    work = tmp_path / ("long" * 30)
    done = subprocess.run([sys.executable, "-c", KILLED, str(work)], capture_output=True, text=True, timeout=120)
    assert done.returncode == -signal.SIGKILL, done.stderr
    folder, until = Path(done.stdout.strip()), time.monotonic() + 30
    assert folder.name.startswith("pymp-")
    while folder.exists() and time.monotonic() < until:
        time.sleep(0.1)
    assert not folder.exists()


@pytest.mark.cuda
def test_a_worker_computes_on_a_gpu(shown):
    run_crew([Member(1, "cuda:0", 1, 1.0)], compute, (), shown[0])
    assert shown[1].getvalue() == "3.0\n"


class Process:
    """One that ended, or lives until a test gives it an exit code."""

    pid = 4321

    def __init__(self, exitcode=None):
        self.exitcode = exitcode

    def is_alive(self):
        return self.exitcode is None

    def join(self):
        pass

    def kill(self):
        self.exitcode = -signal.SIGKILL


@pytest.fixture
def crew(shown, monkeypatch):
    """Two workers that live; those that are started anew are noted."""
    crew = _Crew(TWO, die_once_then_fail, (), shown[0])
    crew.started = []

    def start(number):
        crew.started.append(number)
        crew._processes[number] = Process()
        crew._channels[number] = SimpleNamespace(show=lambda *given: None, problem=None, pipe=None)

    crew.sent = []

    def kill(pid, number):
        assert pid == Process.pid
        crew.sent.append(number)

    monkeypatch.setattr(crew, "start", start)
    monkeypatch.setattr(module.os, "kill", kill)
    for number in (1, 2):
        start(number)
    return crew


def end(crew, number, code):
    process = crew._processes[number]
    process.exitcode = code
    crew._ended(number, process)


def test_a_worker_that_is_done_is_not_started_anew(crew):
    end(crew, 1, 0)
    assert (crew.started, list(crew._processes), crew._problem) == ([1, 2], [2], None)


@pytest.mark.parametrize(("code", "name"), [(-9, "SIGKILL"), (-11, "SIGSEGV"), (128 + 15, "SIGTERM")])
def test_one_that_was_ended_by_a_signal_is_started_anew(crew, shown, code, name):
    end(crew, 1, code)
    assert crew.started == [1, 2, 1]
    assert f"worker 1 was ended by {name}" in shown[1].getvalue()


def test_an_error_of_the_code_ends_the_command(crew):
    end(crew, 1, 1)
    assert isinstance(crew._problem, WorkerFailed)
    assert str(crew._problem) == "worker 1 ended with an error (exit code 1), which is told above"
    assert crew.sent == [signal.SIGTERM]
    end(crew, 2, 128 + 15)  # as it was asked to
    assert crew.started == [1, 2]


def test_the_first_problem_is_told(crew):
    crew._channels[1].problem = "no such image"
    end(crew, 1, 2)
    end(crew, 2, 1)
    assert str(crew._problem) == "no such image"


def test_a_worker_that_dies_again_and_again_ends_the_command(crew):
    for _ in range(10):
        end(crew, 1, -9)
    assert crew._problem is None
    crew.settled()  # a run ended: it is not always the same that kills it
    for _ in range(10):
        end(crew, 1, -9)
    assert crew._problem is None
    end(crew, 1, -9)
    assert "worker 1 died 10 times; see to the machine's memory" in str(crew._problem)
    assert 1 not in crew._processes


def test_a_request_to_stop_is_passed_on_and_waited_for(crew, monkeypatch):
    ends = iter([1, 2])

    def wait():
        if not crew.leaving:
            raise Stopped(signal.SIGINT)
        assert crew.sent == [signal.SIGINT] * 2
        end(crew, next(ends), 128 + signal.SIGINT)

    monkeypatch.setattr(crew, "wait", wait)
    with pytest.raises(Stopped):
        crew.run()
    assert crew.started == [1, 2, 1, 2]  # none was replaced
    assert not crew.left()


def test_after_a_second_request_the_workers_have_a_while(crew, monkeypatch):
    def wait():
        if len(crew.sent) < 4:
            raise Stopped(signal.SIGTERM if crew.leaving else signal.SIGINT)

    monkeypatch.setattr(watch, "_GRACE", 0.01)
    monkeypatch.setattr(crew, "wait", wait)
    with pytest.raises(Stopped):
        crew.run()
    assert crew.sent == [signal.SIGINT, signal.SIGINT, signal.SIGTERM, signal.SIGTERM]
    assert [process.exitcode for process in crew._processes.values()] == [-signal.SIGKILL] * 2


@pytest.fixture
def pipe():
    ours, theirs = multiprocessing.Pipe(duplex=False)
    return Channel(ours), RemoteScreen(theirs), theirs


def test_what_a_worker_says_is_shown_in_order(shown, pipe):
    (screen, text), (channel, remote, _), settled = shown, pipe, []
    remote.line("one")
    remote.show(done=0.5, running="bolt")
    remote.line("two")
    remote.problem("bad input")
    channel.show(screen, 1, lambda: settled.append(1))
    assert text.getvalue().splitlines() == ["one", "two"]
    assert (channel.problem, settled) == ("bad input", [])
    remote.show(done=1.25)
    channel.show(screen, 1, lambda: settled.append(1))
    remote.show(done=1.75)
    channel.show(screen, 1, lambda: settled.append(1))
    assert settled == [1]  # one run has ended


def test_a_worker_that_died_in_the_middle_of_a_message_is_read_as_far_as_it_came(shown, pipe):
    (screen, text), (channel, remote, theirs) = shown, pipe
    remote.line("one")
    os.write(theirs.fileno(), b"\0\0\0\x40half")
    theirs.close()
    channel.show(screen, 1, lambda: None)
    assert text.getvalue() == "one\n"


def test_nobody_looks_any_longer(pipe):
    channel, remote, theirs = pipe
    channel.pipe.close()
    with pytest.raises(BrokenPipeError):
        theirs.send("into the void")
    remote.line("into the void")  # raises nothing
