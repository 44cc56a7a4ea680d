"""Imports that are killed with SIGKILL at random moments; `tests/fuzz/kill_imports.py` runs many more."""

import importlib.util
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "fuzz" / "kill_imports.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("kill_imports", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look for their module there
    spec.loader.exec_module(module)
    return module


def test_a_killed_import_loses_nothing_and_doubles_nothing(script: ModuleType, tmp_path: Path) -> None:
    outcome = script.kill_imports(tmp_path, kills=12, seed=7, messages=1_000)
    assert outcome.problems == []
    assert outcome.moments.total() == 12


@pytest.mark.parametrize("whole_group", [False, True])
def test_what_lives_on_is_seen(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, whole_group: bool
) -> None:
    monkeypatch.setattr(script, "LATEST", 0.5)
    process = subprocess.Popen(["sh", "-c", "sleep 60 & wait"], start_new_session=True)
    while len(script.living(process.pid)) < 2:
        pass
    if whole_group:
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()
    if whole_group:
        script.wait_for_children(process.pid)
        return
    try:
        with pytest.raises(AssertionError, match="1 processes live on"):
            script.wait_for_children(process.pid)
    finally:
        os.killpg(process.pid, signal.SIGKILL)


def test_the_check_sees_half_an_import(script: ModuleType, tmp_path: Path) -> None:
    expected = script.write_export(tmp_path / "export", 20)
    studio = tmp_path / "studio.db"
    assert script.understudy("import", str(tmp_path / "export"), studio=studio).returncode == 0
    assert script.contents(studio) == expected
    with closing(sqlite3.connect(studio)) as connection, connection:
        connection.execute("DELETE FROM messages WHERE id = 7")
    with pytest.raises((AssertionError, sqlite3.DatabaseError)):
        script.contents(studio)
