"""No test reads or writes the settings of whoever runs it."""

import signal

import pytest


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
