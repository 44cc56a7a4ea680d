"""`e` in Conversations: a real editor in the real program's terminal, and what is left when it has ended.

Its name is vi, and it does what the test types: it is a shell script that says what it was given.
"""

from __future__ import annotations

import asyncio
import os
import re
import resource
import shutil
import signal
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import studio_builder
from hostile_texts import STEERING
from pseudo_terminal import PseudoTerminal
from terminal_bytes import FORBIDDEN, PILE

from engine.archive import open_studio
from engine.conversation import Attachment, AttachmentKind, Conversation, Edit, Message, Reaction, Sender
from engine.errors import StudioError
from tui import editor
from tui.screens.conversations import in_editor

PROGRAM = [sys.executable, "-m", "tui"]
EDITOR = """#!/bin/sh
for file; do :; done
cd "$(dirname "$0")/../told"
printf '%s\\n' "$@" > arguments
cp "$file" text
ls -ld "$file" "$(dirname "$file")" > permissions
stty -a > modes
sleep 1000 &
echo $$ $! > processes
echo $PPID > studio
printf 'given: %s\\n' "$*"
read -r typed
eval "$typed"
"""
GIVEN = "given: +"


class Studio:
    """A folder with a studio, the editor, and what that told."""

    def __init__(self, folder: Path, editor: str = EDITOR) -> None:
        self.folder, self.told = folder, folder / "told"
        for name in ("bin", "told", "tmp", "state"):
            (folder / name).mkdir()
        script = folder / "bin" / "vi"
        script.write_text(editor)
        script.chmod(0o700)
        asyncio.run(studio_builder.build(folder / "s.db"))

    def environment(self, **more: str) -> dict[str, str]:
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("SSH", "TEXTUAL", "UNDERSTUDY"))}
        return clean | {
            "UNDERSTUDY_STUDIO": str(self.folder / "s.db"),
            "TMPDIR": str(self.folder / "tmp"),
            "XDG_STATE_HOME": str(self.folder / "state"),
            "TZ": "UTC",
            "VISUAL": str(self.folder / "bin" / "vi"),
            "EDITOR": "/not/asked",
            **more,
        }

    def opened(self, columns: int = 120, rows: int = 36, **more: str) -> PseudoTerminal:
        terminal = PseudoTerminal(PROGRAM, columns=columns, rows=rows, environment=self.environment(**more))
        terminal.wait_for("2 conversations")
        terminal.press("\r")
        terminal.wait_for(" of 60")
        terminal.settle(quiet=0.2)
        return terminal

    def left(self) -> list[Path]:
        return list((self.folder / "tmp").iterdir())

    def assert_no_copy_is_left(self) -> None:
        deadline = time.monotonic() + 30
        while self.left():
            assert time.monotonic() < deadline, self.left()
            time.sleep(0.05)

    def assert_nobody_is_left(self) -> None:
        for number in map(int, (self.told / "processes").read_text().split()):
            deadline = time.monotonic() + 30
            while alive(number):
                assert time.monotonic() < deadline, "it lives on"
                time.sleep(0.05)


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(tmp_path)


def alive(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{number}/stat")
    return not (stat.exists() and stat.read_text().rpartition(")")[2].split()[0] in "ZX")


def left_on(raw: bytes) -> set[bytes]:
    """Modes that are not as a terminal has them; 7 and 25, wrapping and the cursor, are on there."""
    last = dict(re.findall(rb"\x1b\[\?(\d+)([hl])", raw))
    return {mode for mode, how in last.items() if how != (b"h" if mode in (b"7", b"25") else b"l")}


def leave(terminal: PseudoTerminal) -> None:
    terminal.press("q")
    assert terminal.wait_for_end() == 0
    assert left_on(terminal.raw) == set()


def test_it_opens_a_private_copy_at_the_message_under_the_bar(studio: Studio) -> None:
    with studio.opened() as terminal:
        terminal.press("g", "j", "j", "j", "j", "j", "j", "j", "j")
        terminal.wait_for(" 9 of 60")
        terminal.press("e")
        terminal.wait_for(GIVEN)
        assert left_on(terminal.raw) == set(), "the terminal is as it was before the studio"
        assert {"icanon", "echo", "isig", "icrnl"} <= {*(studio.told / "modes").read_text().split()}
        folder, file = (line.split() for line in (studio.told / "permissions").read_text().splitlines())
        assert file[0].startswith("-rw-------") and folder[0].startswith("drwx------")
        line, name = (studio.told / "arguments").read_text().split()
        assert name.startswith(str(studio.folder / "tmp")) and Path(name).exists()
        written = (studio.told / "text").read_text().splitlines()
        assert written[int(line) - 1] == "00:48  Hare: [photo] start.jpg"
        terminal.press("exit\r")
        terminal.wait_for(" 9 of 60")
        terminal.wait_for("? keys")
        studio.assert_no_copy_is_left()
        terminal.settle()
        assert "changed" not in terminal.text() and "? keys" in terminal.text()
        terminal.press("j")
        terminal.wait_for("10 of 60")
        leave(terminal)


@pytest.mark.parametrize(
    "typed",
    ['echo "never said" >> "$file"; cp "$file" "$file~"', 'rm "$file"; mkfifo "$file"'],
)
def test_what_is_changed_there_was_a_copy_and_that_is_said(studio: Studio, typed: str) -> None:
    with studio.opened(80, 24) as terminal:
        terminal.press("e")
        terminal.wait_for(GIVEN)
        terminal.press(f"{typed}\r")
        terminal.wait_for("What you changed was a copy, and is gone: the studio is as it was.")
        assert studio.left() == []
        leave(terminal)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("exit 3", "vi ended with code 3. VISUAL or EDITOR names another."),
        ("kill -9 $$", "vi ended by signal 9. VISUAL or EDITOR names another."),
        ('rm "$file"; stty raw -echo; printf "\\033[?1002h\\033[?25l"; exit 137', "vi ended with code 137."),
    ],
)
def test_one_that_ends_badly_costs_a_sentence(studio: Studio, typed: str, said: str) -> None:
    with studio.opened() as terminal:
        line = os.dup(terminal.child.fileno())
        terminal.press("e")
        terminal.wait_for(GIVEN)
        terminal.press(f"{typed}\r")
        terminal.wait_for(said)
        assert studio.left() == []
        terminal.press("k")
        terminal.wait_for("59 of 60")
        leave(terminal)
        now = termios.tcgetattr(line)
        os.close(line)
        assert now[3] & termios.ECHO and now[3] & termios.ICANON


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("/nowhere/\x1b[31mvi -x", "$VISUAL names /nowhere/␛[31mvi, which is no program here."),
        ('vi "of', '$VISUAL has half a pair of quotation marks: vi "of.'),
        ("{folder}/bin/not", "not cannot be started: Exec format error."),
    ],
)
def test_one_that_cannot_be_started_costs_a_sentence(studio: Studio, given: str, said: str) -> None:
    (studio.folder / "bin" / "not").write_bytes(b"\x7fnot a program")
    (studio.folder / "bin" / "not").chmod(0o700)
    with studio.opened(200, 36, VISUAL=given.format(folder=studio.folder)) as terminal:
        terminal.press("e")
        terminal.wait_for(said)
        assert studio.left() == []
        terminal.press("k")
        terminal.wait_for("59 of 60")
        leave(terminal)


def test_a_full_disk_costs_a_sentence(studio: Studio) -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux can set a limit for another process")
    with studio.opened() as terminal:
        resource.prlimit(terminal.child.pid, resource.RLIMIT_FSIZE, (2048, resource.RLIM_INFINITY))
        terminal.press("e")
        terminal.wait_for("The text could not be written: File too large. Free some space, or let TMPDIR")
        assert studio.left() == []
        leave(terminal)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("deaf", [False, True])
def test_a_signal_ends_the_editor_too_and_leaves_no_file(
    studio: Studio, number: signal.Signals, deaf: bool
) -> None:
    with studio.opened() as terminal:
        line = os.dup(terminal.child.fileno())
        terminal.press("e")
        terminal.wait_for(GIVEN)
        if deaf:
            terminal.press("trap '' HUP TERM; stty raw; printf '\\033[?1049h\\033[?25lup'; sleep 1000\r")
            terminal.wait_for("up")
        terminal.child.kill(number)
        assert terminal.wait_for_end() == 128 + number
        assert left_on(terminal.raw) == set()
        assert termios.tcgetattr(line)[3] & termios.ICANON
        os.close(line)
        assert studio.left() == []
        studio.assert_nobody_is_left()
    assert not list(studio.folder.glob("crash-*"))


def test_a_terminal_that_is_gone_ends_the_editor_too(studio: Studio) -> None:
    terminal = studio.opened()
    terminal.press("e")
    terminal.wait_for(GIVEN)
    terminal.child.ptyproc.fileobj.close()
    deadline = time.monotonic() + 60
    while studio.left() or alive(terminal.child.pid):
        assert time.monotonic() < deadline, studio.left()
        terminal.child.ptyproc.isalive()  # whoever waits for it takes it away
        time.sleep(0.05)
    studio.assert_nobody_is_left()


BUG = """
import sys
from pathlib import Path
from tui.app import UnderstudyApp

class Bad(UnderstudyApp):
    def action_go(self):
        self.set_timer(2, self.bad)
    def bad(self):
        raise ValueError

app = Bad(Path(sys.argv[1]))
app.run()
sys.exit(app.return_code)
"""


def test_a_bug_meanwhile_ends_the_editor_and_gives_the_terminal_back(studio: Studio) -> None:
    program = [sys.executable, "-c", BUG, str(studio.folder / "s.db")]
    environment = studio.environment()
    with PseudoTerminal(program, columns=80, rows=24, environment=environment) as terminal:
        line = os.dup(terminal.child.fileno())
        terminal.wait_for("2 conversations")
        terminal.press("\r")
        terminal.wait_for(" of 60")
        terminal.press("\x07", "e")
        terminal.wait_for(GIVEN)
        assert terminal.wait_for_end() == 1
        assert "Understudy stopped because of a mistake" in terminal.text()
        assert left_on(terminal.raw) == set()
        assert termios.tcgetattr(line)[3] & termios.ICANON
        os.close(line)
    assert studio.left() == []
    studio.assert_nobody_is_left()


def test_ctrl_c_is_the_editors(studio: Studio) -> None:
    with studio.opened() as terminal:
        terminal.press("e")
        terminal.wait_for(GIVEN)
        terminal.press("\x03")
        terminal.wait_for("vi ended by signal 2.")
        leave(terminal)


@pytest.fixture
def shell(studio: Studio) -> Iterator[PseudoTerminal]:
    """An interactive shell, whose job is a studio with an editor in it."""
    environment = studio.environment(PS1="$> ", PS2="")
    program = ["bash", "--norc", "--noprofile", "-i"]
    with PseudoTerminal(program, columns=120, rows=36, environment=environment) as terminal:
        terminal.wait_for("$>")
        terminal.child.send(f"{sys.executable} -m tui\r")
        terminal.wait_for("2 conversations")
        terminal.press("\r")
        terminal.wait_for(" of 60")
        terminal.settle(quiet=0.2)
        terminal.press("e")
        terminal.wait_for(GIVEN)
        yield terminal


def stopped(shell: PseudoTerminal) -> None:
    """The shell has the terminal back."""
    shell.wait_for("Stopped")
    shell.settle(quiet=0.3)
    shell.child.send("clear; echo answer=$((6*7))\r")
    shell.wait_for("answer=42")


def in_front(shell: PseudoTerminal, studio: Studio) -> None:
    """`fg`, until the editor has the terminal."""
    shell.child.send("clear; fg\r")
    deadline = time.monotonic() + 60
    while os.tcgetpgrp(shell.child.fileno()) != int((studio.told / "processes").read_text().split()[0]):
        assert time.monotonic() < deadline, "the editor is not in front"
        shell.read()
    shell.settle(quiet=0.2)


def test_ctrl_z_there_goes_to_the_shell_and_fg_back_to_the_editor(
    studio: Studio, shell: PseudoTerminal
) -> None:
    for _ in range(2):
        shell.press("\x1a")
        stopped(shell)
        in_front(shell, studio)
    shell.press("exit 7\r")
    shell.wait_for("vi ended with code 7.")
    studio.assert_no_copy_is_left()
    shell.press("q")
    shell.wait_for("$>")


def test_a_stop_from_elsewhere_heals_at_fg(studio: Studio, shell: PseudoTerminal) -> None:
    os.kill(int((studio.told / "studio").read_text()), signal.SIGTSTP)
    stopped(shell)
    in_front(shell, studio)
    shell.press("exit 7\r")
    shell.wait_for("vi ended with code 7.")
    shell.press("q")
    shell.wait_for("$>")


def test_a_stopped_one_is_ended_with_its_editor(studio: Studio, shell: PseudoTerminal) -> None:
    shell.press("\x1a")
    stopped(shell)
    shell.child.send("clear; kill %1\r")
    deadline = time.monotonic() + 60
    while studio.left():
        assert time.monotonic() < deadline, "it lives on, stopped"
        shell.read(0.2)
    studio.assert_nobody_is_left()
    shell.child.send("clear; echo answer=$((7*7))\r")
    shell.wait_for("answer=49")


def test_ctrl_z_without_a_shell_changes_nothing(studio: Studio) -> None:
    with studio.opened() as terminal:
        terminal.press("e")
        terminal.wait_for(GIVEN)
        terminal.press("\x1a")
        terminal.settle(quiet=0.3)
        terminal.press("exit 7\r")
        terminal.wait_for("vi ended with code 7.")
        leave(terminal)


@pytest.mark.parametrize("name", ["vi", "vim", "less", "more"])
def test_a_real_one_shows_the_message(studio: Studio, name: str) -> None:
    if not shutil.which(name):
        pytest.skip(f"no {name} here")
    script = studio.folder / "bin" / name
    # The terminal of this test knows not all that vim asks of an xterm.
    script.write_text(f'#!/bin/sh\nTERM=vt100 exec {shutil.which(name)} "$@"\n')
    script.chmod(0o700)
    with studio.opened(80, 24, VISUAL="", EDITOR=str(script), LESS="", VIMINIT="set noswapfile") as terminal:
        terminal.press("g", "j", "j", "j")
        terminal.wait_for(" 4 of 60")
        terminal.press("e")
        terminal.wait_for("00:38  Tortoise: Slow")
        terminal.settle()
        lines = terminal.text().splitlines()
        row = next(n for n, line in enumerate(lines) if "00:38  Tortoise" in line)
        if name in ("vi", "vim"):
            assert terminal.screen.cursor.y == row
        else:
            assert not any("00:36  Hare" in line for line in lines), "it is the first line"
        terminal.press(*(":q!\r" if name in ("vi", "vim") else "q"))
        studio.assert_no_copy_is_left()
        leave(terminal)


@pytest.mark.parametrize("setting", ["UNDERSTUDY_THEME=ansi", "NO_COLOR=1", "UNDERSTUDY_BOXES=off"])
def test_it_is_the_same_however_the_screen_looks(studio: Studio, setting: str) -> None:
    name, _, value = setting.partition("=")
    with studio.opened(**{name: value}) as terminal:
        terminal.press("e")
        terminal.wait_for(GIVEN)
        assert left_on(terminal.raw) == set()
        terminal.press("echo more >> $file\r")
        terminal.wait_for("What you changed was a copy")
        leave(terminal)


def test_a_long_one_tells_how_far_it_is_and_esc_stops_it(studio: Studio) -> None:
    asyncio.run(studio_builder.build(studio.folder / "long.db", studio_builder.fable(200_000)))
    environment = studio.environment(UNDERSTUDY_STUDIO=str(studio.folder / "long.db"))
    with PseudoTerminal(PROGRAM, columns=100, rows=30, environment=environment) as terminal:
        terminal.wait_for("1 conversation")
        terminal.press("\r")
        terminal.wait_for(" of 200,000")
        terminal.press("e")
        terminal.wait_for("of 200,000 messages are written for the editor. esc stops it.")
        terminal.press("\x1b")
        studio.assert_no_copy_is_left()
        terminal.press("k")
        terminal.wait_for("199,999 of")  # esc did nothing else
        assert not (studio.told / "arguments").exists()
        leave(terminal)


# The text


async def written(folder: Path, *conversations: Conversation, place: int = 0) -> tuple[int, list[str]]:
    """The line of a message, and all lines."""
    await studio_builder.build(folder / "s.db", *conversations)
    async with await open_studio(folder / "s.db") as studio:
        line = await in_editor.write(studio, 1, place, folder / "copy.txt", lambda *_: None)
    return line, (folder / "copy.txt").read_text().split("\n")


async def test_a_message_stands_there_with_everything_that_hangs_on_it(tmp_path: Path, utc: None) -> None:
    said = [
        Message(
            "a", "hare", 1_000, "Speed is key!\n\nAlways.", edited=True, edits=(Edit("Speed is\nall!", 500),)
        ),
        Message("b", "owl", 61_000, "Look", attachments=(Attachment(AttachmentKind.PHOTO, "a.jpg"),)),
        Message("c", "owl", 86_400_000, "No.", reply_to="a", reactions=(Reaction("Hare", "👍"),)),
    ]
    people = (Sender("hare", "Hare"), Sender("owl", "Owl"))
    line, lines = await written(tmp_path, Conversation("c", "The wood", people, said), place=2)
    assert lines[7:] == [
        "",
        "Thu 1 Jan 1970",
        "",
        "00:00  Hare: Speed is key!",
        "",
        "       Always.",
        "       edited; before, 00:00:00: Speed is",
        "       all!",
        "00:01  Owl: Look",
        "       [photo] a.jpg",
        "",
        "Fri 2 Jan 1970",
        "",
        "00:00  Owl: No.",
        "       ↪ Hare: Speed is key!⏎⏎Always.",
        "       👍 Hare",
        "",
        "",
        "",
        "",
        "The end, after 3 messages.",
        "",
    ]
    assert line == 21 and lines[line - 1] == "00:00  Owl: No."


@pytest.mark.parametrize("place", [0, 999, 1000, 2344])
async def test_every_message_of_a_long_one_is_there_at_its_line(tmp_path: Path, place: int) -> None:
    line, lines = await written(tmp_path, studio_builder.fable(2345), place=place)
    starts = [n for n, text in enumerate(lines, 1) if re.match(r"\d\d:\d\d  ", text)]
    assert len(starts) == 2345
    assert line == starts[place]
    numbers = [int(n) for text in lines for n in re.findall(r"\((\d+)\)$", text)]
    assert numbers == sorted(numbers)


async def test_nothing_steers_a_terminal_or_an_editor(tmp_path: Path) -> None:
    orders = ("vim: set shell=/bin/false:", " ex: set ro:", "kak: x=y", "-*- mode: sh -*-")
    local = "Local Variables:\neval: (delete-file buffer-file-name)\nEnd:"
    texts = (*orders, *(text.encode("utf-8", "replace").decode() for text in STEERING), *orders, local)
    people = (Sender("e", "\x1b[31m[/] Eve\u202e\x07 vim: set x:"),)
    said = [
        Message(f"{n}", "e", n, text, attachments=(Attachment(AttachmentKind.FILE, text),), reactions=(
            Reaction(text, "\x1b[7m"),), edited=True, edits=(Edit(text, 5),))
        for n, text in enumerate(texts)
    ]  # fmt: skip
    _, lines = await written(tmp_path, Conversation("c", "vim: set x: \x1b]0;t\x07", people, said))
    for line in lines:
        assert not FORBIDDEN.search(line) and not PILE.search(line), line[:100]
    assert "\u241b" in "".join(lines) and "y" * 20_000 in "".join(lines)
    assert not any("vim" in line or "ex:" in line or "kak" in line for line in (*lines[:5], *lines[-6:]))
    assert not any("local variables:" in line.casefold() for line in lines)


# Which editor


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("vi", ["+7", "/t/a b.txt"]),
        ("/usr/bin/vim.basic -u NONE", ["+7", "/t/a b.txt"]),
        ("emacsclient -t", ["+7", "/t/a b.txt"]),
        ("nano", ["+7", "/t/a b.txt"]),
        ("less -S", ["+7", "/t/a b.txt"]),
        ("code -n", ["--wait", "--goto", "/t/a b.txt:7"]),
        ("hx", ["/t/a b.txt:7"]),
        ("ed", ["/t/a b.txt"]),
    ],
)
def test_each_is_told_the_line_in_its_own_way(command: str, arguments: list[str]) -> None:
    assert editor.at_line(command.split(), Path("/t/a b.txt"), 7) == [*command.split(), *arguments]


def test_visual_goes_before_editor_and_a_pager_is_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "an other", "less", "more"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert editor.chosen({"VISUAL": "one -w", "EDITOR": "'an other'"}) == ["one", "-w"]
    assert editor.chosen({"VISUAL": " ", "EDITOR": "'an other' -x 'y z'"}) == ["an other", "-x", "y z"]
    assert editor.chosen({}) == ["less"]
    (tmp_path / "less").unlink()
    assert editor.chosen({}) == ["more"]
    (tmp_path / "more").unlink()
    for environment in ({}, {"EDITOR": "less"}, {"VISUAL": "''"}, {"VISUAL": "'"}):
        with pytest.raises(StudioError) as raised:
            editor.chosen(environment)
        assert raised.value.hint


@pytest.fixture
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()
