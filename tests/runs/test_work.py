"""The loop that works at a job: which run it takes, and when it looks for more."""

import contextlib
from types import SimpleNamespace

import pytest

import rdpp.runs.many as many
from rdpp.config import ConfigError
from rdpp.engine import GivenUp
from rdpp.runs import Conduct, Failure, HoldLost, Job, WorkFolder, run_lock, work
from rdpp.stopping import Stop, Stopped

DIVERGED = Failure("diverged", "the loss is not finite")


def plan(name):
    return SimpleNamespace(spec=SimpleNamespace(name=name, identity=SimpleNamespace(training=name)))


class Runs(Job):
    """A job of runs by name; `more` are found when it is asked to open some."""

    def __init__(self, *names, more=(), unwanted=()):
        self.left, self.more, self.unwanted = list(names), list(more), set(unwanted)
        self.settled, self.given_up, self.asked = [], [], 0
        self.shared = []
        """How many were settled when all was last written."""

    def done(self):
        return not self.left and not self.more

    def ready(self):
        return [plan(name) for name in self.left]

    def wants(self, plan):
        if plan.spec.name in self.unwanted:
            self.left.remove(plan.spec.name)
        return plan.spec.name not in self.unwanted

    def settle(self, plan, ended):
        self.left.remove(plan.spec.name)
        self.settled.append((plan.spec.name, ended))

    def give_up(self, plan):
        self.left.remove(plan.spec.name)
        self.given_up.append(plan.spec.name)

    def open_more(self):
        self.asked += 1
        if self.more:
            self.left.append(self.more.pop(0))
            return True
        return False


class Pauses(Stop):
    """Does not sleep: calls what another process would do meanwhile."""

    def __init__(self, meanwhile=None):
        super().__init__(lambda line: None)
        self.meanwhile, self.slept = meanwhile, 0

    def sleep(self, seconds):
        self.slept += 1
        assert self.slept < 10, "it waits for ever"
        if self.meanwhile:
            self.meanwhile()


@pytest.fixture
def folder(tmp_path):
    return WorkFolder(tmp_path)


@pytest.fixture
def go(folder, monkeypatch):
    """Work at a job; runs come to their names, or to what `ends` says."""

    def run(job, stop=None, **ends):
        def run_one(plan, tree, observers, conduct, hold):
            hold.check()
            assert folder.is_locked(run_lock(plan.spec.name))
            ended = ends.get(plan.spec.name, plan.spec.name)
            if isinstance(ended, BaseException):
                raise ended
            return ended

        told = []
        monkeypatch.setattr(many, "run_one", run_one)
        tree = SimpleNamespace(hold=lambda training: folder.lock_if_free(run_lock(training)))
        tree.share = lambda: job.shared.append(len(job.settled))
        work(job, tree, [], Conduct(stop=stop or Pauses(), tell=told.append))
        job.told = told
        return job

    return run


def test_runs_are_settled_in_order_until_nothing_is_left(go, folder):
    job = go(Runs("a", "b", "c"))
    assert job.settled == [("a", "a"), ("b", "b"), ("c", "c")]
    assert job.shared == [0, 1, 2]  # who finds a run settled finds it in the store
    assert not any(folder.is_locked(run_lock(name)) for name in "abc")


def test_a_run_in_work_elsewhere_is_passed_over_and_looked_at_again(go, folder):
    job, stack = Runs("a", "b", "c"), contextlib.ExitStack()
    stack.enter_context(folder.lock(run_lock("a")))
    stop = Pauses(stack.close)
    go(job, stop)
    assert [name for name, _ in job.settled] == ["b", "c", "a"]
    assert stop.slept == 1
    assert job.asked == 1  # only where nothing was free


def test_a_run_that_another_process_settled_meanwhile_is_not_trained(go):
    job = go(Runs("a", "b", unwanted=["a"]))
    assert job.settled == [("b", "b")]


def test_more_is_opened_where_others_work_at_all_that_is_ready(go, folder):
    job, stack = Runs("a", more=["b", "c"]), contextlib.ExitStack()
    stack.enter_context(folder.lock(run_lock("a")))
    stop = Pauses(stack.close)
    go(job, stop)
    assert [name for name, _ in job.settled] == ["b", "c", "a"]
    assert stop.slept == 1


def test_a_run_that_is_given_up_is_no_failure(go):
    job = go(Runs(*"abcdefg"), **{name: GivenUp() for name in "abcdefg"})
    assert job.given_up == list("abcdefg")
    assert job.settled == []


def test_failures_are_settled_and_five_alike_in_a_row_end_the_work(go):
    job = Runs(*"abcdefgh")
    with pytest.raises(ConfigError, match=r"the last 5 runs failed alike, .* the loss is not finite"):
        go(job, **dict.fromkeys("abdefgh", DIVERGED))
    assert [name for name, ended in job.settled if isinstance(ended, Failure)] == list("abdefgh")
    assert job.left == []  # what ended the work is known too


def test_an_error_that_is_no_failure_of_the_run_ends_the_work_and_frees_the_run(go, folder):
    job = Runs("a", "b")
    with pytest.raises(OSError, match="no space left"):
        go(job, a=OSError("no space left"))
    assert job.left == ["a", "b"]
    assert not folder.is_locked(run_lock("a"))


def test_a_request_to_stop_is_heard_between_runs(go):
    stop, job = Pauses(), Runs("a", "b", "c")
    settle = job.settle

    def ask(plan, ended):
        settle(plan, ended)
        stop.requested = 15

    job.settle = ask
    with pytest.raises(Stopped):
        go(job, stop)
    assert job.left == ["b", "c"]


def test_a_run_that_was_lost_to_another_machine_is_neither_settled_nor_given_up(go):
    class LostOnce(Runs):
        def wants(self, plan):
            if plan.spec.name == "a" and self.told_lost:
                self.left.remove("a")
                return False
            self.told_lost = plan.spec.name == "a"
            return True

    job = LostOnce("a", "b")
    job.told_lost = False
    go(job, a=HoldLost("the lock run-a was lost"))
    assert [name for name, _ in job.settled] == ["b"]
    assert job.given_up == []
    assert job.told == ["a: left to another machine (the lock run-a was lost)"]
