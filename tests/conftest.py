"""No test reads or writes the settings of whoever runs it."""

import os
import signal
from collections.abc import Generator
from typing import TypeVar

import pytest

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


def pytest_xdist_auto_num_workers() -> int:
    """One worker more than cores, 8 at most: half of their time the tests wait for a process or a screen."""
    return min(8, (os.cpu_count() or 1) + 1)


def failed_if_skipped(report: Report) -> Report:
    """Where UNDERSTUDY_TEST_TRAINERS is set, the extras are installed and nothing may be skipped for want of
    them: only what needs another machine may, for a reason that begins with "needs"."""
    by_choice = report.skipped and not hasattr(report, "wasxfail")
    if by_choice and os.environ.get("UNDERSTUDY_TEST_TRAINERS"):
        reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
        if not reason.removeprefix("Skipped: ").startswith("needs "):
            report.outcome, report.longrepr = "failed", f"skipped, though the extras are installed: {reason}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return failed_if_skipped((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return failed_if_skipped((yield))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--new-pictures", action="store_true", help="take the pictures of the screen anew")


@pytest.fixture(scope="session", autouse=True)
def settings_of_their_own(tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as patch:
        for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME"):
            patch.setenv(name, str(tmp_path_factory.mktemp(name.lower().replace("_", "-"))))
        for name in ("THEME", "BOXES", "MOUSE", "SSH", "PROVIDER", "BASE_URL"):
            patch.delenv(f"UNDERSTUDY_{name}", raising=False)
        yield


# A job in the background of a script starts with ctrl+c ignored, and hands that on to every program
# that a test starts. What has a handler here is as it should be there.
signal.signal(signal.SIGINT, signal.default_int_handler)
