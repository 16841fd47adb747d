"""A pytest plugin: the suite runs on the loop under test, and each test's outcome is reported."""

import pytest
import tested_loop
from reporting import Report, is_wanted

tested_loop.replace_in_policy()


def pytest_configure(config):
    """Registered once the command line is known."""
    config.pluginmanager.register(Reporter(), "suites-reporter")


class Reporter:
    """A test has failed if one of set-up, call and tear-down has."""

    def __init__(self):
        self.report = Report()
        self.outcome, self.text = "passed", ""

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items):
        items[:] = [item for item in items if is_wanted(item.nodeid)]

    def pytest_runtest_logstart(self, nodeid):
        self.outcome, self.text = "passed", ""
        self.report.started(nodeid)

    def pytest_runtest_logreport(self, report):
        if report.outcome == "passed" or self.outcome in ("failed", "error"):
            return
        self.outcome = "error" if report.outcome == "failed" and report.when != "call" else report.outcome
        self.text = getattr(getattr(report.longrepr, "reprcrash", None), "message", str(report.longrepr))

    def pytest_runtest_logfinish(self, nodeid):
        self.report.ended(nodeid, self.outcome, self.text)

    def pytest_collectreport(self, report):
        if report.failed:
            self.report.ended(f"<collecting {report.nodeid}>", "error", str(report.longrepr).strip().splitlines()[-1])

    def pytest_sessionfinish(self):
        self.report.all_ended()
