"""A short walk with the fuzzer; the long ones are `python tests/fuzz/fuzz_importers.py --inputs 100000`."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

THREAD = b'{"participants": ["Ann"], "messages": [{"senderName": "Ann", "timestamp": 1, "text": "hi"}]}'
FUZZER = Path(__file__).parents[2] / "fuzz" / "fuzz_importers.py"


def test_a_short_walk_finds_nothing() -> None:
    done = subprocess.run(
        [sys.executable, FUZZER, "--inputs", "400", "--seed", "7"],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "400 inputs (seed 7), 0 finds" in done.stdout


@pytest.fixture
def fuzzer(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(FUZZER.parent))
    spec = importlib.util.spec_from_file_location("fuzz_importers", FUZZER)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CHILD = """
import json, os, signal, struct, sys, time
first, count, folder = sys.argv[5:]
for number in range(int(first), int(first) + int(count)):
    with open(folder + "/at", "r+b") as at:
        at.write(struct.pack("<q", number))
    if number == 2:
        time.sleep(60)
    if number == 3:
        print(json.dumps(["json", 3, "raised"]), flush=True)
    if number == 5:
        os.abort()
    if number == 6:
        signal.setitimer(signal.ITIMER_PROF, 0.1)
        while True:
            pass
print(json.dumps({"slowest": [0.5, 7], "peak": 9}))
"""


def test_what_hangs_or_crashes_is_named_and_the_rest_goes_on(
    fuzzer: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "child.py").write_text(CHILD)
    monkeypatch.setattr(fuzzer, "__file__", str(tmp_path / "child.py"))
    monkeypatch.setattr(fuzzer, "WAITING", 2)
    finds, slowest, peak = fuzzer.run_batch("json", 1, 0, 8)
    assert [(kind, number) for kind, number, _ in finds] == [
        ("json", 2),
        ("json", 3),
        ("json", 5),
        ("json", 6),
    ]
    assert finds[0][2] == "hangs for 2 s"
    assert finds[3][2] == "works for more than 10 s"
    assert (slowest, peak) == ((0.5, 7), 9)


def test_the_drain_sees_rows_that_are_not_counted(fuzzer: ModuleType, tmp_path: Path) -> None:
    class Forgetful(fuzzer.MessengerImporter):  # type: ignore[name-defined, misc]
        def conversations(self, path, report):  # type: ignore[no-untyped-def]
            yield from super().conversations(path, report)
            report.rows_read += 1

    (tmp_path / "message_1.json").write_bytes(THREAD)
    fuzzer.drain(fuzzer.MessengerImporter(), tmp_path / "message_1.json")
    with pytest.raises(AssertionError):
        fuzzer.drain(Forgetful(), tmp_path / "message_1.json")
