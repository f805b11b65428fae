"""Runs that are known from the beginning: each ends once, whichever process it ends in."""

import json
import math

import pytest
from tracked import PLAIN

from rdpp.config import ConfigError
from rdpp.engine import grid
from rdpp.runs import Failure, FolderNotes, GridJob, Node, Outcome, Planned

DIVERGED = Failure("diverged", "the loss is not finite")
BROKEN = Failure("error", "RuntimeError: CUDA error")
NO_IMAGE = Failure("input", "cannot decode the image a.png")


@pytest.fixture(scope="module")
def planned(tiny):
    specs = grid(tiny.with_overrides({"data.categories": ["weave", "bolt"], "seeds": [1, 2], **PLAIN}))
    return [Planned(spec=spec, parent=Node("parent"), tags={}) for spec in specs]


@pytest.fixture
def worker(planned, tmp_path):
    """Another process at the same runs."""
    return lambda unusable=None: GridJob(planned, FolderNotes(tmp_path / "notes"), unusable)


def outcome(plan, value=0.5):
    metrics = {"image_auroc": value, "pixel_aupimo": math.nan}
    return Outcome(spec=plan.spec, run_id=None, epoch=2, metrics=metrics, deciding=metrics, steps=4)


def names(job):
    return [plan.spec.name for plan in job.ready()]


def test_the_runs_in_order_until_each_has_ended(worker):
    job = worker()
    assert names(job) == ["weave-seed1", "bolt-seed1", "weave-seed2", "bolt-seed2"]
    for plan in reversed(job.ready()):
        assert not job.done()
        assert job.wants(plan)
        job.settle(plan, outcome(plan))
    assert job.done()
    assert [found.spec.name for found in job.outcomes] == ["weave-seed1", "bolt-seed1", "weave-seed2", "bolt-seed2"]
    assert job.failures == []
    assert not job.open_more()


def test_two_processes_share_what_they_know(worker):
    one, two = worker(), worker()
    first, second, third, fourth = one.ready()
    one.settle(first, outcome(first, 0.25))
    one.settle(second, DIVERGED)
    assert [two.wants(plan) for plan in two.ready()] == [False, False, True, True]
    assert len(two.ready()) == 2
    two.settle(third, outcome(third))
    two.settle(fourth, outcome(fourth))
    assert two.done()
    assert not one.done()  # it has not looked yet
    one.collect()
    assert one.done()
    for job in (one, two):
        assert [(plan.spec.name, failure) for plan, failure in job.failures] == [("bolt-seed1", DIVERGED)]
        found = job.outcomes[0]
        assert (found.spec.name, found.metrics["image_auroc"], found.steps) == ("weave-seed1", 0.25, 4)
        assert math.isnan(found.metrics["pixel_aupimo"])


def test_to_collect_before_all_has_ended_is_a_fault(worker):
    job = worker()
    job.settle(job.ready()[0], outcome(job.ready()[0]))
    with pytest.raises(AssertionError):
        worker().collect()


def test_a_failure_that_may_pass_is_tried_twice_whoever_tries(worker):
    one, two = worker(), worker()
    first, second, *_ = one.ready()
    one.settle(first, BROKEN)
    one.settle(second, BROKEN)
    assert two.wants(first)
    two.settle(first, outcome(first))
    two.settle(second, BROKEN)
    assert [one.wants(first), one.wants(second)] == [False, False]
    assert [type(one.ended[plan.ticket]) for plan in (first, second)] == [Outcome, Failure]


@pytest.mark.parametrize("failure", [DIVERGED, NO_IMAGE])
def test_other_failures_are_tried_once(worker, failure):
    job = worker()
    plan = job.ready()[0]
    job.settle(plan, failure)
    assert plan.ticket in job.ended
    assert not job.wants(plan)


def test_runs_of_a_category_that_cannot_be_used_have_failed(worker):
    job = worker({"weave": ConfigError("no test images")})
    assert names(job) == ["bolt-seed1", "bolt-seed2"]
    assert [(plan.spec.name, failure.kind) for plan, failure in job.failures] == [
        ("weave-seed1", "input"),
        ("weave-seed2", "input"),
    ]
    assert job.failures[0][1].reason == "no test images"


def test_nothing_but_bad_input_is_bad_input(worker):
    job = worker({"weave": ConfigError("no test images")})
    for plan in job.ready():
        job.check_some()  # some have not ended yet
        job.settle(plan, NO_IMAGE)
    with pytest.raises(ConfigError, match="no test images"):
        job.check_some()


def test_other_failures_are_told_with_the_results(worker):
    job = worker({"weave": ConfigError("no test images")})
    first, second = job.ready()
    job.settle(first, NO_IMAGE)
    job.settle(second, DIVERGED)
    job.check_some()
    assert len(job.failures) == 4


def test_a_note_is_plain_json_and_replaced_as_a_whole(worker, tmp_path):
    job = worker()
    plan = job.ready()[1]
    job.settle(plan, BROKEN)
    job.settle(plan, outcome(plan))
    (note,) = (tmp_path / "notes").iterdir()
    assert note.name == "1.json"
    assert json.loads(note.read_text())["tries"] == 2
