"""Signals, pipes, encodings, devices and odd arguments: no traceback, the right exit code, nothing left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine import samples

COMMAND = [sys.executable, "-m", "tui"]
EVIL = "evil \x9b31m title \u202e\u2028 \x1b]0;x\x07"


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A studio with the sample and one conversation of hostile names."""
    folder = tmp_path_factory.mktemp("hostile")
    thread = {
        "participants": [{"name": EVIL}, {"name": "Ann"}],
        "messages": [{"sender_name": EVIL, "timestamp_ms": 1_700_000_000_000, "content": EVIL}],
        "title": EVIL + "x" * 5000,
        "thread_path": "inbox/evil_1",
    }
    (folder / "evil.json").write_text(json.dumps(thread, ensure_ascii=False), encoding="utf-8")
    path = folder / "studio.db"
    for export in (samples.messenger(), folder / "evil.json"):
        subprocess.run([*COMMAND, "--studio", path, "import", export], check=True, capture_output=True)
    return path


def run(studio: Path, *args: str | bytes, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*COMMAND, "--studio", str(studio), *args],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **environment},
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    "command", [("conversations",), ("senders",), ("conversations", "--search", "evil"), ("show", "17")]
)
@pytest.mark.parametrize("as_json", [False, True])
def test_nothing_printed_can_steer_a_terminal(studio: Path, command: tuple[str, ...], as_json: bool) -> None:
    done = run(studio, *command, *(["--json"] if as_json else []), PYTHONUTF8="1")
    assert done.returncode == 0, done.stderr
    shown = done.stdout.decode()
    assert "evil" in shown
    assert not [c for c in shown if (ord(c) < 32 and c != "\n") or 0x7F <= ord(c) < 0xA0]
    assert not set(shown) & set("\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
    if as_json:
        assert any("\x9b" in json.dumps(json.loads(line), ensure_ascii=False) for line in shown.splitlines())
    else:
        assert max(len(line) for line in shown.splitlines()) < 500


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_any_encoding_of_the_terminal(studio: Path, encoding: str) -> None:
    for command in (("conversations",), ("senders",), ("show", "1"), ("conversations", "--json")):
        done = run(studio, *command, PYTHONIOENCODING=encoding)
        assert done.returncode == 0, done.stderr
        assert done.stdout


@pytest.mark.parametrize(
    "command",
    [
        ("conversations", "--source", b"\xff"),
        ("jobs", "show", b"\xff"),
        ("show", "9" * 5000),
        ("train", "--ai", "Wren Halloran", "--seed", "9" * 30),
        ("train", "--ai", b"\xff\xfe"),
        ("chat", "--seed", "-5", "-p", "hi"),
    ],
)
def test_odd_arguments_get_a_sentence(studio: Path, command: tuple[str | bytes, ...]) -> None:
    done = run(studio, *command)
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert b"mistake in it" not in done.stderr


@pytest.mark.parametrize("path", ["/dev/null", "/", "/dev/null/studio.db", "/" + "x" * 300, "/proc/1/x/s.db"])
def test_a_studio_that_cannot_be_one(path: str) -> None:
    before = Path("/dev/null").stat().st_mode
    done = run(Path(path), "conversations")
    assert done.returncode == 2, done.stderr
    assert b"mistake in it" not in done.stderr
    assert Path("/dev/null").stat().st_mode == before


def test_a_studio_without_its_tables(tmp_path: Path, studio: Path) -> None:
    import sqlite3

    broken = tmp_path / "broken.db"
    with sqlite3.connect(studio) as source, sqlite3.connect(broken) as target:
        source.backup(target)
        target.execute("DROP TABLE messages")
    target.close()
    done = run(broken, "show", "1")
    assert (done.returncode, b"damaged" in done.stderr) == (2, True), done.stderr


def test_a_reader_that_goes_away_is_no_error(studio: Path) -> None:
    for command in ("conversations", "--help", "senders --json"):
        line = f"'{sys.executable}' -m tui --studio '{studio}' {command} | true; echo ${{PIPESTATUS[0]}}"
        done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=60, check=True)
        assert done.stdout.strip() == "0"
        assert done.stderr == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_output_that_cannot_be_written(studio: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*COMMAND, "--studio", studio, "conversations"], stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert done.returncode == 1
    assert b"no space left" in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_demo_that_is_ended_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    demo = subprocess.Popen(
        [*COMMAND, "demo", "--headless", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path), "HOME": str(tmp_path)},
    )
    assert demo.stdout is not None
    for line in demo.stdout:
        if '"train"' in line:
            break
    demo.send_signal(number)
    _, said = demo.communicate(timeout=60)
    assert demo.returncode == (130 if number is signal.SIGINT else 128 + number), said
    assert "Traceback" not in said
    deadline = time.monotonic() + 60
    while any(tmp_path.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert list(tmp_path.iterdir()) == []


def test_a_pipe_is_no_file_to_read(tmp_path: Path, studio: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for command in (
        ("check", str(pipe)),
        ("chunks", "--ai", "Ann", "--recipe", str(pipe)),
        ("import", str(pipe)),
    ):
        done = run(studio, *command)
        assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
