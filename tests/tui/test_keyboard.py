"""What is typed arrives in its order, however the line bunches it, and noise on it ends nothing."""

import os
import sys
import time
from pathlib import Path

import pytest
import studio_builder
from pseudo_terminal import PseudoTerminal
from textual import events

from tui.keyboard import Parser, apart


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
    pieces = ["a\x1b[200~one", " \x1b", "q \x1b[B two\x1b[2", "01", "~b"]
    for sent in (pieces, ["".join(pieces)]):
        parser = Parser()
        one, paste, other = (event for piece in sent for event in parser.feed(piece))
        assert isinstance(one, events.Key) and isinstance(other, events.Key)
        assert (one.key, other.key) == ("a", "b")
        assert isinstance(paste, events.Paste) and paste.text == "one \x1bq \x1b[B two"


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
