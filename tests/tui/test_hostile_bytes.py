"""Texts that steer a terminal walk through the real program: nothing but our own sequences comes out.

They are control sequences of every class, marks without end and a line of a megabyte, as messages, names,
titles, paths, settings, replies and what is typed. tests/fuzz/terminal_bytes.py thinks of more of them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from hostile_session import COLUMNS, ROWS, WALKS, Stage, Walk, commands, session, walked
from hostile_texts import STEERING
from terminal_bytes import foreign


@pytest.mark.parametrize("walk", WALKS)
def test_nothing_of_others_steers_the_terminal(tmp_path: Path, walk: Callable[[Walk, Stage], None]) -> None:
    raw = session(tmp_path, STEERING, partial(walked, walk))
    assert foreign(raw, COLUMNS, ROWS, copies=True) == []
    # The texts were there, made harmless: signs of C0, and what stands for C1, broken bytes and bidi.
    assert all(sign in raw for sign in ("\u241b".encode(), "\ufffd".encode(), b"[/]"))


def test_nothing_of_others_steers_the_terminal_of_a_command(tmp_path: Path) -> None:
    raw = session(tmp_path, STEERING, commands)
    assert foreign(raw, COLUMNS, ROWS, screen=False) == []
    assert all(sign in raw for sign in ("\u241b".encode(), "\ufffd".encode(), b"[/]"))
