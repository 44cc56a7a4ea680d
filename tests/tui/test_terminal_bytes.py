"""The parser of what may reach a terminal finds whatever must not: tests/fuzz/terminal_bytes.py uses it."""

from __future__ import annotations

import pytest
from hostile_texts import STEERING
from terminal_bytes import foreign

COLUMNS, ROWS = 120, 36


@pytest.mark.parametrize(
    "text", [*STEERING[:7], "\x1b[31m\x1b[777m", "\x1b[37;1H", "\x1b[?6h", "e" + "\u0301" * 20]
)
def test_what_steers_is_found(text: str) -> None:
    text = text.replace("\ud800", "")  # what cannot be a byte of a terminal's
    raw = ("\x1b[?1049h\x1b[1;38;5;7mfine\x1b[m" + text).encode("utf-8", "surrogateescape")
    assert foreign(raw, COLUMNS, ROWS)
    assert not foreign(b"\x1b[?1049h\x1b[1;38;5;7mfine\x1b[m\x1b[?1049l\r\n", COLUMNS, ROWS)
