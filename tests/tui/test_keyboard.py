"""What is typed arrives in its order, however the line bunches it, and noise on it ends nothing."""

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import ClassVar

import pytest
import studio_builder
from pseudo_terminal import PseudoTerminal
from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.widget import Widget

from tui.keyboard import InOrder, Parser, apart


@pytest.fixture
async def studio(tmp_path: Path) -> Path:
    return await studio_builder.build(tmp_path / "studio.db")


@pytest.mark.parametrize(
    ("sent", "keys"),
    [
        ("\x1b5", ["escape", "5"]),
        ("\x1b?", ["escape", "question_mark"]),
        ("\x1bJ", ["escape", "J"]),
        ("\x1b5jj", ["escape", "5", "j", "j"]),
        ("\x1bjj\x1b[A", ["escape", "j", "j", "up"]),
        ("\x1b\x1b2", ["escape", "escape", "2"]),
        ("\x1bf", ["escape", "f"]),
        ("\x1b\r", ["escape", "enter"]),
        ("\x1b", ["escape"]),
        ("^", ["circumflex_accent"]),
        ("\x1b[27u", ["escape"]),
        ("\x1b[?62;4cj", ["j"]),
        ("\x1b[>0;276;0cj", ["j"]),
        ("\x1b]11;rgb:1e1e/1e1e/1e1e\x07j", ["j"]),
        ("\x1b[97:65;2uj", ["j"]),
        ("\x1b[97;2:3uj", ["j"]),
        ("\x1b[99999999999uj", ["j"]),
        ("\x1b[55296uj", ["j"]),
        ("\x1b[:uj", ["j"]),
    ],
)
def test_a_key_behind_an_escape_is_both_and_an_answer_to_others_is_none(sent: str, keys: list[str]) -> None:
    assert [key.key for event in _read(sent) for key in apart(event)] == keys


def test_a_key_with_alt_that_is_bound_keeps_its_name() -> None:
    assert [key.key for key in _read("\x1b\r")] == ["alt+enter"]
    assert [key.key for key in _read("\x1bé")] == ["alt+é"]


def _read(sent: str) -> list[events.Key]:
    """The keys of what was sent, once the time for more has passed."""
    parser = Parser()
    read = list(parser.feed(sent))
    time.sleep(0.11)
    read += parser.tick()
    return [event for event in read if isinstance(event, events.Key)]


def test_a_paste_is_one_whatever_is_in_it_and_however_it_comes() -> None:
    sent = "a\x1b[200~one \x1bq \x1b[B two\x1b[201~b"
    for pieces in ([sent], list(sent), *([sent[:cut], sent[cut:]] for cut in range(1, len(sent)))):
        _is_a_paste_between_a_and_b(pieces, late=False)


def test_a_paste_whose_beginning_comes_late_is_one() -> None:
    _is_a_paste_between_a_and_b(["a\x1b", "[200~one \x1bq \x1b[B two\x1b[201~b"], late=True)


def _is_a_paste_between_a_and_b(pieces: list[str], late: bool) -> None:
    parser, read = Parser(), list[events.Event]()
    for piece in pieces:
        read += [event for event in parser.feed(piece) if isinstance(event, events.Event)]
        if late:
            time.sleep(0.11)
            read += [event for event in parser.tick() if isinstance(event, events.Event)]
    keys = [event.key for event in read if isinstance(event, events.Key)]
    assert keys == (["a", "escape", "b"] if late else ["a", "b"])
    assert [event.text for event in read if isinstance(event, events.Paste)] == ["one \x1bq \x1b[B two"]


def test_ctrl_c_ends_a_paste_that_never_ends() -> None:
    parser = Parser()
    read = [event for piece in ("\x1b[200~one", "two", "\x03", "b") for event in parser.feed(piece)]
    assert [event.key for event in read if isinstance(event, events.Key)] == ["ctrl+c", "b"]
    assert not any(isinstance(event, events.Paste) for event in read)


def test_an_answer_in_the_middle_of_a_paste_is_none_of_it() -> None:
    parser, heard = Parser(), list[bool]()
    parser.answered = lambda: heard.append(True)
    pieces = ("\x1b[200~o\x1b[0nn\x1b[", "0ne\x1b[201~")
    read = [event for piece in pieces for event in parser.feed(piece)]
    assert [event.text for event in read if isinstance(event, events.Paste)] == ["one"]
    assert len(heard) == 2


def test_what_was_typed_ahead_of_a_paste_comes_ahead_of_it() -> None:
    parser = Parser()
    read = [event for piece in ("\x1b", "\x1b[200~two\x1b[201~") for event in parser.feed(piece)]
    first, second = read
    assert isinstance(first, events.Key) and first.key == "escape"
    assert isinstance(second, events.Paste) and second.text == "two"


@pytest.mark.parametrize(
    ("size", "pixels", "column"),
    [("24;80;0;0", True, 40), ("24;80;480;800", False, 40), ("24;80;480;800", True, 4)],
)
def test_the_mouse_is_where_the_terminal_says(size: str, pixels: bool, column: int) -> None:
    parser = Parser()
    parser.pixels = pixels
    *_, pressed = parser.feed(f"\x1b[48;{size}t\x1b[<0;41;1M")
    assert isinstance(pressed, events.MouseDown)
    assert pressed.x == column


def test_what_comes_in_one_piece_is_taken_one_after_the_other(studio: Path) -> None:
    program = [sys.executable, "-m", "tui", "--studio", str(studio)]
    with PseudoTerminal(program, columns=80, rows=24) as terminal:
        terminal.wait_for("2 conversations")
        terminal.child.send("/lettuce\r")
        terminal.wait_for("6 hits")
        terminal.wait_for("/ lettuce")
        terminal.child.send("\x1b\x1b?\x1b2")
        terminal.wait_for("person  ")
        terminal.child.send("1\rt2023-08-27\r")
        terminal.wait_for(" 1 of 60")
        os.write(terminal.child.fileno(), b"\xff\xc3")  # noise, and half a letter
        terminal.child.send("?")
        terminal.wait_for("keys")
        terminal.child.send("\x1bq")
        assert terminal.wait_for_end() == 0


class _WaitsForTheNextKey(Widget, can_focus=True):
    async def on_key(self, event: events.Key) -> None:
        event.stop()
        if event.key == "a":
            await self.app.freed.wait()  # type: ignore[attr-defined]


class _Keys(App[None]):
    BINDINGS: ClassVar = [Binding("ctrl+c", "free", priority=True)]

    def __init__(self) -> None:
        super().__init__()
        self.freed = asyncio.Event()
        self._typed = InOrder(self, super().on_event, lambda: True)

    def compose(self) -> ComposeResult:
        yield _WaitsForTheNextKey()

    def on_mount(self) -> None:
        self.query_one(_WaitsForTheNextKey).focus()

    def action_free(self) -> None:
        self.freed.set()

    async def on_event(self, event: events.Event) -> None:
        if isinstance(event, events.Key) and not event.is_forwarded:
            await self._typed.add(event)
        else:
            await super().on_event(event)


async def test_a_key_that_takes_for_ever_keeps_no_other_from_being_taken() -> None:
    app = _Keys()
    async with app.run_test():
        for key in ("a", "b", "ctrl+c"):  # all of it typed before the first is done, and nothing behind it
            app.post_message(events.Key(key, None))
        try:
            async with asyncio.timeout(60):
                await app.freed.wait()
        finally:
            app.freed.set()  # else the app could not end
