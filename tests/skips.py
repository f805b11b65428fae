"""With RDPP_FAIL_ON_SKIP=1 a skipped test counts as failed, but for those marked `cuda`."""

import os

import pytest


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    outcome = yield
    if item.get_closest_marker("cuda") is None:
        _fail(outcome.get_result())


@pytest.hookimpl(hookwrapper=True)
def pytest_make_collect_report():
    outcome = yield
    _fail(outcome.get_result())


def _fail(report):
    if os.environ.get("RDPP_FAIL_ON_SKIP") != "1" or not report.skipped or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
    report.outcome, report.longrepr = "failed", f"skipped where RDPP_FAIL_ON_SKIP=1: {reason}"
