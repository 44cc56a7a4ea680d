"""Whose export it is, on the command line: asked once on a terminal, else said how to say it."""

import json
from pathlib import Path

import pytest
from messenger_export import said, write_thread, zip_export
from pseudo_terminal import PseudoTerminal
from real_command import COMMAND, environment, understudy

from engine import samples

T = 1_700_000_000_000


@pytest.fixture
def export(tmp_path: Path) -> Path:
    rows = [said("Ann \x1b[31m", T, "hi"), said("Wren", T + 1, "hello"), said("Wren", T + 2, "tea?")]
    write_thread(tmp_path / "export", "ann_1", rows, ["Ann \x1b[31m", "Wren", "Quiet"])
    return tmp_path / "export"


def mine(studio: Path) -> list[str]:
    lines = understudy("senders", "--json", studio=studio).stdout.splitlines()
    return [person["name"] for person in map(json.loads, lines) if person["owner"]]


@pytest.mark.parametrize(
    ("answers", "owner"),
    [
        (["2"], ["Ann \x1b[31m"]),
        (["wren"], ["Wren"]),
        (["9", "Owl", "0", "1"], ["Wren"]),
        ([""], []),
    ],
)
def test_asked_once_on_a_terminal(tmp_path: Path, export: Path, answers: list[str], owner: list[str]) -> None:
    studio = tmp_path / "studio.db"
    command = [*COMMAND, "import", str(export)]
    with PseudoTerminal(command, columns=100, rows=30, environment=environment(studio)) as terminal:
        shown = terminal.wait_for("none of them:")
        assert "Whose export is messenger?" in shown and "kept" in shown
        lines = [line.split() for line in shown.splitlines()]
        assert ["1", "Wren,", "2", "messages"] in lines, "most messages first"
        assert "Quiet" not in shown and b"\x1b[31m" not in terminal.raw
        for place, one in enumerate(answers):
            terminal.child.sendline(one)
            if place + 1 < len(answers):
                while terminal.text().count("none of them:") < place + 2:
                    terminal.read()
        assert terminal.wait_for_end() == 0
        assert ("messenger is the export of" in terminal.text()) == bool(owner)
    assert mine(studio) == owner
    with PseudoTerminal(command, columns=100, rows=30, environment=environment(studio)) as terminal:
        assert terminal.wait_for_end() == 0
        assert "none of them:" not in terminal.text()
    assert mine(studio) == owner


def test_interrupted_at_the_question_what_was_read_stays(tmp_path: Path, export: Path) -> None:
    studio = tmp_path / "studio.db"
    command = [*COMMAND, "import", str(export)]
    with PseudoTerminal(command, columns=100, rows=30, environment=environment(studio)) as terminal:
        terminal.wait_for("none of them:")
        terminal.child.sendintr()
        assert terminal.wait_for_end() == 130
        assert "Traceback" not in terminal.text()
    assert len(understudy("imports", "--json", studio=studio).stdout.splitlines()) == 1
    with PseudoTerminal(command, columns=100, rows=30, environment=environment(studio)) as terminal:
        terminal.wait_for("none of them:")


def test_without_a_terminal_it_says_how_to_say_it(tmp_path: Path, export: Path) -> None:
    studio = tmp_path / "studio.db"
    done = understudy("import", str(export), studio=studio)
    assert done.returncode == 0
    assert "`understudy senders me NAME`" in done.stderr
    done = understudy("senders", "me", "wren", studio=studio)
    assert done.returncode == 0 and "You are Wren in messenger." in done.stderr
    assert mine(studio) == ["Wren"]
    assert "messenger is the export of Wren." in understudy("import", str(export), studio=studio).stderr
    assert understudy("senders", "me", "Wrenn", studio=studio).returncode == 2
    done = understudy("import", str(export), "--owner", "Ann \x1b[31m", studio=studio)
    assert "\x1b" not in done.stderr
    assert mine(studio) == ["Ann \x1b[31m"]


def test_a_folder_of_everything(tmp_path: Path, export: Path) -> None:
    """Two zips, a phone, an encrypted backup: all are taken, the one that cannot be read is said."""
    folder = tmp_path / "Downloads"
    backup = folder / "backup"
    (backup / "3d").mkdir(parents=True)
    (backup / "3d" / "3d0d7e5fb2ce288813306e4d4636395e047a3d28").write_bytes(b"\x8f" * 4096)
    (backup / "Manifest.plist").write_bytes(
        b'<?xml version="1.0"?><plist><dict><key>IsEncrypted</key><true/></dict></plist>'
    )
    (folder / "message_1.html").write_text("<html>")
    zip_export(export, folder / "facebook-1.zip")
    write_thread(tmp_path / "rest", "bob_1", [said("Bob", T, "hi")], ["Bob", "Wren"])
    zip_export(tmp_path / "rest", folder / "facebook-2.zip")
    (folder / "phone.db").write_bytes(samples.imessage().read_bytes())
    studio = tmp_path / "studio.db"
    done = understudy("import", str(folder), "--json", studio=studio)
    assert done.returncode == 2
    assert "is encrypted" in done.stderr
    assert "Not read: message_1.html: 1 HTML page of messages" in done.stderr
    reports = {line["source"]: line["rows_read"] for line in map(json.loads, done.stdout.splitlines())}
    assert reports == {"imessage": 716, "messenger": 4}
    assert mine(studio) == ["Wren"]  # the phone does not say the name that the download has
