"""What a search asks for, and where a text holds it."""

import re
import sqlite3
from contextlib import closing
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.archive.query import Query, Term, marks, parse
from engine.archive.schema import FIRST
from engine.indexed_text import indexed_text

NOW = datetime(2024, 3, 1)
TOKENIZE = re.findall(r"tokenize = '[^']+'", FIRST)[0]


def ms(*day: int) -> int:
    return int(datetime(*day).timestamp() * 1000)


def test_words_phrases_and_beginnings() -> None:
    assert parse('slow "steady on" mot* gat', NOW).terms == (
        Term("slow", whole=True),
        Term("steady on", whole=True),
        Term("mot"),
        Term("gat"),
    )
    assert parse('gat "steady on"', NOW).terms == (Term("gat", whole=True), Term("steady on", whole=True))
    assert [term.indexed for term in parse('it\'s "a ""b" 100% ?!', NOW).terms] == [
        '"it\'s"',
        '"a "',
        '"b"',
        '"100%"',
        "",
    ]


def test_operators() -> None:
    query = parse('from:hare in:"The race" after:2023-08-27 before:"Sep 2023" gate', NOW)
    assert query == Query((Term("gate"),), "hare", "The race", ms(2023, 8, 27), ms(2023, 9, 1))
    assert parse("FROM:Hare", NOW).sender == "Hare"
    assert parse("from: after:", NOW) == Query(), "not written to its end yet"
    assert not parse(" ", NOW) and parse("before:2023", NOW) and parse("x", NOW)
    days = parse("after:2023 before:2023-09 after:2023-08 before:2024", NOW)
    assert days == parse("after:2023-08 before:2023-09", NOW), "of several days the narrowest"
    problem = parse("before:soon gate", NOW)
    assert problem.until is None and "soon" in problem.problems[0] and problem.terms == (Term("gate"),)
    assert parse("http://example.org a:b", NOW).terms[1] == Term("a:b")


@pytest.mark.parametrize(
    ("asked", "text", "found"),
    [
        ("stead", "Slow and steady, Steadily.", ["steady", "Steadily"]),
        ("slow steady", "slowly steady slow", ["steady", "slow"]),
        ('"and steady"', "Slow AND, steady and steadily", ["AND, steady"]),
        ("cafe", "Le CAFÉ était cafe\u0301", ["CAFÉ", "cafe\u0301"]),
        ("天気", "今日は天気がいい", ["天気"]),
        ("😂", "so 😂😂", ["😂", "😂"]),
        ("?!", "what?! no", ["?!"]),
        ("100%", "100% sure", ["100"]),
        ("", "anything", []),
        ("bar", "foo_bar baz", ["bar"]),
        ("foo_bar", "Foo bar, foo", ["Foo bar"]),
        ("python", "今日はPythonを書く", ["Python"]),
        ("今日は python", "今日はPython3を書く", ["今日は", "Python3"]),
        ("か", "かが", ["か"]),
        ("❤️", "one ❤ and ❤️", ["❤", "❤️"]),
        ('"नमस"', "नमस्ते", ["नमस्"]),
    ],
)
def test_marks(asked: str, text: str, found: list[str]) -> None:
    assert [text[start:end] for start, end in marks(parse(asked, NOW).terms, text)] == found


@given(st.text(max_size=30), st.text(max_size=60))
def test_any_query_marks_any_text_in_order(asked: str, text: str) -> None:
    at = 0
    for start, end in marks(parse(asked, NOW).terms, text):
        assert at <= start <= end <= len(text)
        at = end


SAID = """slow Foo_Bar foo _ -- ' café naive λόγος straße İstanbul ﬁne ² ① 漢字 か が ｶﾞ ไม้ नमस्ते مرحباً שלום
😀 👍🏽 ❤️ 🇸🇪 1️⃣ 3.14 C++ 한국어 ﷺ Å Ａ ё"""
FRAGMENTS = st.sampled_from(SAID.split())
PIECES = st.lists(st.tuples(FRAGMENTS, st.sampled_from(["", " "])), min_size=1, max_size=5).map(
    lambda pieces: "".join(map("".join, pieces))
)


@given(FRAGMENTS, PIECES)
def test_whatever_the_index_finds_is_marked(asked: str, text: str) -> None:
    (term,) = parse(asked, NOW).terms
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(f"CREATE VIRTUAL TABLE said USING fts5 (text, {TOKENIZE})")
        connection.execute("INSERT INTO said VALUES (?)", (indexed_text(text),))
        if term.indexed and connection.execute("SELECT 1 FROM said (?)", (term.indexed,)).fetchall():
            assert marks([term], text)


def test_what_is_said_again_is_asked_once() -> None:
    assert parse("ha ha* " * 600 + "ha", NOW).terms == (Term("ha", whole=True), Term("ha"))


@given(st.text())
def test_the_index_loses_no_letter(text: str) -> None:
    """Symbols get stand-ins; every other character stays, in its order."""
    letters = [c for c in text if indexed_text(c) in (c, f" {c} ")]
    left = "".join(indexed_text(c) for c in letters)
    assert left.replace(" ", "") == "".join(letters).replace(" ", "")
    assert indexed_text(text) == "".join(map(indexed_text, text))
