"""The typedstream decoder on streams written byte by byte as Apple writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typedstream_writer import FILE, PART, Run, Url, encode

from engine.importers import typedstream

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
ATTRIBUTES = st.dictionaries(
    st.text("abcdef_", min_size=1, max_size=8),
    st.one_of(
        st.integers(-(2**15), 2**15 - 1),
        st.integers(2**33, 2**63 - 1),
        st.floats(allow_nan=False),
        WORDS,
        st.binary(max_size=20),
        st.booleans(),
        st.lists(WORDS, max_size=3),
        st.dictionaries(st.text("xyz", min_size=1, max_size=3), WORDS, max_size=2),
    ),
    max_size=3,
)


@pytest.mark.parametrize(
    "text", ["hi", "", "é" * 63, "x" * 127, "x" * 128, "😂" * 8192, "y" * 65536, "NSString +"]
)
@pytest.mark.parametrize("mutable", [False, True])
@pytest.mark.parametrize("big_endian", [False, True])
def test_lengths_of_every_width(text: str, mutable: bool, big_endian: bool) -> None:
    blob = encode(text, mutable=mutable, big_endian=big_endian)
    assert typedstream.text(blob) == text
    body = typedstream.decode(blob)
    assert body is not None
    assert (body.text, body.damaged) == (text, False)


def test_runs_count_utf16_units_and_name_their_attributes_again() -> None:
    photo = {PART: 0, FILE: "at_0"}
    runs = [Run("😂a", {PART: 1}), Run("\ufffc", photo), Run("é😂", {PART: 1}), Run("\ufffc", photo)]
    body = typedstream.decode(encode(runs))
    assert body is not None
    assert [(run.text, run.attributes) for run in body.runs] == [(run.text, run.attributes) for run in runs]


@given(st.lists(st.tuples(WORDS, ATTRIBUTES), min_size=1, max_size=5), st.booleans(), st.booleans())
def test_round_trip(pieces: list[tuple[str, dict[str, object]]], mutable: bool, big_endian: bool) -> None:
    runs = [Run(text, attributes) for text, attributes in pieces]  # type: ignore[arg-type]
    blob = encode(runs, mutable=mutable, big_endian=big_endian)
    body = typedstream.decode(blob)
    assert body is not None
    assert not body.damaged
    assert body.text == typedstream.text(blob) == "".join(run.text for run in runs)
    assert [(run.text, run.attributes) for run in body.runs] == [(run.text, run.attributes) for run in runs]


def test_long_runs() -> None:
    runs = [Run("x" * 40_000, {PART: 0}), Run("y" * 70_000, {PART: 1})]
    body = typedstream.decode(encode(runs))
    assert body is not None
    assert [len(run.text) for run in body.runs] == [40_000, 70_000]


def test_a_link_attribute_is_its_address() -> None:
    body = typedstream.decode(encode([Run("see", {"link": Url("https://example.org")})]))
    assert body is not None
    assert body.runs[0].attributes == {"link": "https://example.org"}


def test_chars_have_a_sign_and_no_tags() -> None:
    """A char of 0x81 is -127; an int of it would be a tag."""
    blob = encode([Run("x", {"n": True})])
    for written, read in ((b"\x00", 0), (b"\x7f", 127), (b"\x81", -127), (b"\xff", -1)):
        body = typedstream.decode(blob[:-4] + written + blob[-3:])
        assert body is not None
        assert body.runs[0].attributes == {"n": read}


def test_many_references_need_sixteen_bits() -> None:
    runs = [Run("x", {f"name{n}": n, "again": n % 2}) for n in range(400)]
    body = typedstream.decode(encode(runs))
    assert body is not None
    assert [run.attributes for run in body.runs] == [run.attributes for run in runs]


@given(st.binary(max_size=300))
def test_any_bytes_never_raise(junk: bytes) -> None:
    for blob in (junk, typedstream.HEADER + b"\x81\xe8\x03" + junk):
        typedstream.text(blob)
        typedstream.decode(blob)


@given(st.data())
def test_damaged_streams_never_raise_and_keep_the_text_where_it_stands(data: st.DataObject) -> None:
    whole = encode([Run("slow and ", {PART: 0}), Run("steady", {PART: 0, "n": 2**40, "d": {"k": "v"}})])
    blob = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        blob[data.draw(st.integers(0, len(blob) - 1))] = data.draw(st.integers(0, 255))
    typedstream.decode(bytes(blob))
    cut = data.draw(st.integers(whole.index(b"steady") + 6, len(whole) - 1))
    body = typedstream.decode(whole[:cut])
    assert body is not None
    assert body.text == "slow and steady"
    assert body.damaged


def test_endless_nesting_is_damage() -> None:
    head = typedstream.HEADER + b"\x81\xe8\x03\x84\x01@"
    deep = head + b"\x84\x84\x84\x01A\x00\x85\x92" + b"\x84\x92\x92" * 5000
    assert typedstream.decode(deep) is None
    structs = typedstream.HEADER + b"\x81\xe8\x03\x84\x82\xff\xff\x00\x00" + b"{a=" * 21845
    assert typedstream.decode(structs) is None
    hollow = typedstream.HEADER + b"\x81\xe8\x03\x84\x1d[60000[60000[60000[60000[0c]]]]]" + b"\0" * 60_000
    assert typedstream.decode(hollow) is None  # and soon
