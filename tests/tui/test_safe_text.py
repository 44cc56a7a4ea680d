"""The door: nothing that steers a terminal passes, and nothing that can be read is lost."""

import time
import unicodedata

import pytest
import studio_builder
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tui.safe_text import content, safe_line, safe_text
from tui.widgets.cells import fit, right, wrap


def steering(text: str) -> list[str]:
    """The characters of `text` that a terminal acts on, newlines apart."""
    forbidden = {*range(0x202A, 0x202F), *range(0x2066, 0x206A)}
    return [
        char
        for char in text
        if (unicodedata.category(char) in ("Cc", "Cs") and char != "\n") or ord(char) in forbidden
    ]


@given(st.text(st.characters(categories=None)))
def test_nothing_that_steers_a_terminal_passes(text: str) -> None:
    assert not steering(safe_text(text))
    assert not steering(safe_line(text))
    assert "\n" not in safe_line(text)
    safe_text(text).encode()


@pytest.mark.parametrize("text", studio_builder.EVIL)
def test_each_evil_text_is_shown_harmless(text: str) -> None:
    assert not steering(safe_text(text))
    assert content(text).plain == safe_text(text)


def test_controls_are_shown_as_pictures_and_newlines_stay() -> None:
    assert safe_text("a\x1b[31mb\x00c\x7f\nd\te") == "a␛[31mb␀c␡\nd   e"
    assert safe_text("\x9b\u202e\ud800") == "\ufffd" * 3
    assert safe_line("one\ntwo") == "one⏎two"


def test_ordinary_text_is_left_alone() -> None:
    for text in ("Zoë — naïve", "नमस्ते", "\U0001f469\u200d\U0001f469\u200d\U0001f467", "한국어", "العربية"):
        assert safe_text(text) == text
    scotland = "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"
    assert safe_text(scotland) == scotland


def test_huge_texts_are_cut_and_say_so() -> None:
    shown = safe_text("x" * 1_000_000)
    assert len(shown) < 21_000
    assert "980,000 more characters" in shown
    assert len(safe_line("y" * 1_000_000)) == 1_001
    assert len(safe_text("z" + "\u0301" * 10_000)) == 9


def test_a_megabyte_is_no_work() -> None:
    safe_text("é")  # builds the table of marks
    started = time.perf_counter()
    safe_text("é" * 1_000_000)
    safe_text("e" + "\u0301" * 1_000_000)
    wrap(safe_text("w" * 1_000_000), 80)
    assert time.perf_counter() - started < 1


@given(st.text(st.characters(categories=["L", "N", "Zs", "So"])), st.integers(2, 60))
def test_columns_are_exactly_as_wide_as_asked(text: str, width: int) -> None:
    assert cell_len(fit(text, width)) == width
    assert cell_len(right(text, width)) == width
    assert all(cell_len(line) <= width for line in wrap(text, width))


@given(st.text(st.characters(categories=["L", "Zs"])), st.integers(2, 40))
def test_wrapping_loses_nothing_but_spaces(text: str, width: int) -> None:
    assert "".join("".join(wrap(text, width)).split()) == "".join(text.split())
