"""The line of work from the command line: import, chunks, train, chat, in real processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine import samples

COMMAND = [sys.executable, "-m", "tui"]


class Shell:
    """Runs the command on one studio, with every folder of the user inside `home`."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")},
            "HOME": str(home),
            "XDG_DATA_HOME": str(home / "data"),
            "XDG_CONFIG_HOME": str(home / "config"),
            "XDG_STATE_HOME": str(home / "state"),
            "XDG_CACHE_HOME": str(home / "cache"),
            "TMPDIR": str(home / "tmp"),
        }
        self.environment.pop("UNDERSTUDY_STUDIO", None)
        (home / "tmp").mkdir()

    def run(self, *args: str, code: int = 0) -> str:
        done = self.try_run(*args)
        assert done.returncode == code, done.stderr + done.stdout
        assert "Traceback" not in done.stderr
        return done.stdout

    def json(self, *args: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.run(*args, "--json").splitlines()]

    def try_run(self, *args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *args],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            env=self.environment,
            timeout=120,
            check=False,
        )

    def files(self) -> set[Path]:
        return {path.relative_to(self.home) for path in self.home.rglob("*") if not path.is_dir()}


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    one = Shell(tmp_path)
    yield one
    one.try_run("local", "stop")


def test_the_demo_without_a_screen(shell: Shell) -> None:
    done = shell.try_run("demo", "--headless")
    assert done.returncode == 0, done.stderr
    said = done.stderr
    for word in ("import", "pick", "chunk", "train", "model", "reply", "done"):
        assert any(line.startswith(word) for line in (said + done.stdout).splitlines()), word
    assert "ft:imitation:demo:" in said
    reply = done.stdout.partition("reply")[2].strip()
    assert reply
    assert shell.files() == set(), "the throw-away studio is gone, and nothing is left elsewhere"
    assert not [line for line in processes() if str(shell.home) in line]


def test_the_demo_as_json_without_a_terminal(shell: Shell) -> None:
    steps = {line["step"]: line for line in shell.json("demo")}
    assert [name for name in steps if name != "note"] == ["import", "pick", "chunk", "train", "model", "chat"]
    assert steps["import"]["messages"] >= 1300
    assert steps["chunk"]["chunks"] >= 60
    assert steps["train"]["train_loss"] > 0
    assert steps["chat"]["reply"].strip()


def test_the_demo_on_a_studio_of_ones_own_stays_in_its_private_folder_whatever_the_umask(
    shell: Shell,
) -> None:
    folder = shell.home / "mine"
    studio = str(folder / "a" / "studio.db")
    before = os.umask(0)
    try:
        shell.run("--studio", studio, "demo", "--headless")
    finally:
        os.umask(before)
    assert {path.parts[0] for path in shell.files()} == {"mine"}
    assert shell.json("jobs", "--studio", studio)[0]["status"] == "succeeded"
    modes = {path: path.stat().st_mode & 0o777 for path in (folder, *folder.rglob("*"))}
    shell.run("--studio", studio, "local", "stop")
    assert not {path: oct(mode) for path, mode in modes.items() if mode & 0o077}


def test_the_samples_step_by_step(shell: Shell) -> None:
    report = shell.json("import", str(samples.messenger()), str(samples.imessage()), "--owner", samples.OWNER)
    assert [one["importer"] for one in report] == ["messenger", "imessage"]
    assert all(one["rows_read"] == one["kept"] + sum(one["skipped"].values()) for one in report)
    assert report[0]["kinds"]["speech"] >= 900
    assert report[1]["kinds"]["speech"] >= 400
    assert report[1]["recovered"] >= 130

    again = shell.json("import", str(samples.messenger()))
    assert again[0]["already_there"] == again[0]["kept"]

    conversations = shell.json("conversations")
    assert len(conversations) >= 22
    assert {"id", "title", "source", "kind", "people", "messages", "first", "last"} <= conversations[0].keys()
    messages = shell.json("show", str(conversations[0]["id"]))
    assert len(messages) == conversations[0]["messages"]
    assert messages == sorted(messages, key=lambda message: message["time"])
    assert shell.json("conversations", "--search", "dough")

    people = {one["name"]: one for one in shell.json("senders")}
    assert set(people[samples.OWNER]["sources"]) == {"messenger", "imessage"}

    out = shell.home / "f.jsonl"
    chunks = shell.json("chunks", "--ai", samples.OWNER, "--preset", "langchain", "--out", str(out))
    lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert len(lines) == len(chunks) >= 60
    assert all(len(line["messages"]) == 8 for line in lines)
    assert out.stat().st_mode & 0o777 == 0o600
    assert shell.try_run("check", str(out)).returncode in (0, 1)

    events = shell.json("train", "--ai", samples.OWNER, "--suffix", "wren", "--seed", "7", "--follow")
    assert events[-1]["status"] == "succeeded"
    losses = [event["data"]["train_loss"] for event in events if event["type"] == "metrics"]
    assert losses[-1] < losses[0]
    [job] = shell.json("jobs")
    assert job["model"].startswith("ft:imitation:wren:")
    assert job["valid_loss"] is not None

    [reply] = shell.json("chat", "-p", "are you coming to the boat?")
    assert reply["model"] == job["model"]
    assert reply["text"].strip()
    assert reply["tokens"] > 0
    plain = shell.run("chat", job["model"], "-p", "morning", "--seed", "1")
    assert plain == shell.run("chat", job["model"], "-p", "morning", "--seed", "1"), "the same seed"
    assert shell.run("chat", "wren", "-p", "morning", "--seed", "1") == plain, "by its suffix"
    assert job["model"] in {one["id"] for one in shell.json("models")}

    elsewhere = shell.try_run("chat", "--provider", "ollama", "-p", "are you coming to the boat?")
    assert elsewhere.returncode == 2 and "no fine-tuned model of ollama." in elsewhere.stderr

    # A job that has ended is told from its beginning to its end, as often as it is asked after.
    told = shell.try_run("jobs", "follow", job["id"])
    assert told.returncode == 0 and f"Model {job['model']}." in told.stderr
    assert [event["message"] for event in shell.json("jobs", "follow", job["id"])] == [
        event["message"] for event in events
    ]

    shell.json("train", "--ai", samples.OWNER, "--suffix", "wren", "--base-model", "nearest", "--follow")
    refused = shell.try_run("chat", "wren", "-p", "morning")
    assert refused.returncode == 2 and '2 models have the suffix "wren"' in refused.stderr
    assert job["model"] in refused.stderr and "ft:nearest:wren:" in refused.stderr
    shell.run("local", "stop")
    assert not [line for line in processes() if str(shell.home) in line]


def test_an_export_made_here_as_a_zip(shell: Shell, tmp_path: Path) -> None:
    import zipfile

    messages = []
    start = int(time.mktime((2024, 5, 1, 20, 0, 0, 0, 0, 0))) * 1000
    for number in range(240):
        who = "Nora Field" if number % 2 else "Ida Brook"
        text = f"yes, and then some, number {number}" if number % 2 else f"did you see picture {number}?"
        messages.append(
            {
                "sender_name": who,
                "timestamp_ms": start + number * 45_000 * (1 + number // 20),
                "content": text,
            }
        )
    thread = {
        "participants": [{"name": "Nora Field"}, {"name": "Ida Brook"}],
        "messages": messages[::-1],
        "title": "Ida Brook",
        "is_still_participant": True,
        "thread_path": "inbox/idabrook_1",
        "magic_words": [],
    }
    path = tmp_path / "facebook-nora.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        name = "your_activity_across_facebook/messages/inbox/idabrook_1/message_1.json"
        archive.writestr(name, json.dumps(thread))
    [report] = shell.json("import", str(path))
    assert (report["rows_read"], report["kept"], report["conversations"]) == (240, 240, 1)
    shell.json("chunks", "--ai", "Nora Field", "--out", str(tmp_path / "nora.jsonl"))
    events = shell.json("train", "--ai", "Nora Field", "--follow")
    assert events[-1]["status"] == "succeeded"
    [reply] = shell.json("chat", "-p", "did you see picture 4?")
    assert "yes" in reply["text"]


def processes() -> list[str]:
    """The command line of every process, with its working folder."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            found.append(f"{line} {(folder / 'cwd').readlink()}")
        except OSError:
            continue  # it ended while we looked
    return found
