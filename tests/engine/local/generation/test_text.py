"""Whole characters only, and never a part of a stop string. No extra is needed for these."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from engine.local.generation.text import Detokenizer, StopStrings


def bytes_to_text(tokens: Sequence[int]) -> str:
    """A tokenizer whose tokens are bytes."""
    return bytes(tokens).decode("utf-8", "replace")


@given(st.text())
def test_torn_characters_come_whole(text: str) -> None:
    detokenizer = Detokenizer(bytes_to_text, bytewise=True)
    pieces = [detokenizer.add(token) for token in text.encode()]
    assert "".join(pieces) + detokenizer.rest() == text
    if "\ufffd" not in text:
        assert not any("\ufffd" in piece for piece in pieces)


@given(st.binary(max_size=60))
def test_broken_bytes_give_what_the_tokenizer_makes_of_them(given: bytes) -> None:
    detokenizer = Detokenizer(bytes_to_text, bytewise=True)
    pieces = [detokenizer.add(token) for token in given]
    assert "".join(pieces) + detokenizer.rest() == bytes_to_text(given)


@given(st.lists(st.text("ab c", max_size=4)), st.lists(st.text("ab c", min_size=1, max_size=4), max_size=3))
def test_the_text_ends_before_the_first_stop_string(pieces: list[str], stops: list[str]) -> None:
    stop = StopStrings(stops)
    shown = []
    for piece in pieces:
        shown.append(stop.add(piece))
        if stop.found:
            break
    said = "".join(shown)
    whole = "".join(pieces)
    # Before the end of the piece that completes one: the earliest beginning of any.
    read, places = "", []
    for piece in pieces:
        read += piece
        if places := [read.find(one) for one in stops if one in read]:
            break
    assert stop.found == bool(places)
    assert said + stop.rest() == (whole[: min(places)] if places else whole)
    if not places:
        assert not any(one in said for one in stops)


def test_what_may_become_a_stop_string_waits() -> None:
    stop = StopStrings(["\nHare:"])
    assert [stop.add(piece) for piece in ("Slow.", "\n", "Har", "dly", "\nHa", "re: no")] == [
        "Slow.",
        "",
        "",
        "\nHardly",
        "",
        "",
    ]
    assert stop.found
