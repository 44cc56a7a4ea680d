"""No test reads or writes the settings of whoever runs it."""

import os
import signal

import pytest


def pytest_xdist_auto_num_workers() -> int:
    """One worker more than cores, 8 at most: half of their time the tests wait for a process or a screen."""
    return min(8, (os.cpu_count() or 1) + 1)


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
