"""Our decoder beside pytypedstream, wherever that can decode a stream at all."""

from __future__ import annotations

import random
from typing import Any

import pytest
from typedstream_writer import FILE, PART, Date, Run, Url, encode

from engine.importers import typedstream

oracle = pytest.importorskip("typedstream", reason="pytypedstream is not installed")

WORDS = ("slow", "and", "steady", "😂", "é", "\ufffc", "x" * 200, "NSString +", "")


def text_of(blob: bytes) -> str | None:
    """What pytypedstream reads; None where it cannot."""
    try:
        found = oracle.unarchive_from_data(blob).contents[0].value.value
    except Exception:
        return None
    return found if isinstance(found, str) else None


def runs_of(blob: bytes) -> list[tuple[int, dict[str, Any]]]:
    """(length in UTF-16 units, attributes) of each run, as pytypedstream reads them."""
    known: dict[int, dict[str, Any]] = {}
    runs: list[int] = []
    lengths: list[int] = []
    for group in oracle.unarchive_from_data(blob).contents[1:]:
        if len(group.values) == 2:
            runs.append(group.values[0])
            lengths.append(group.values[1])
        else:
            known[runs[-1]] = plain(group.values[0])
    return [(length, known[number]) for number, length in zip(runs, lengths, strict=True)]


def plain(value: Any) -> Any:
    """What it reads, as Python values."""
    match type(value).__name__:
        case "NSDictionary":
            return {plain(key): plain(item) for key, item in value.contents.items()}
        case "NSArray":
            return [plain(item) for item in value.elements]
        case "NSData":
            return value.data
        case "NSDate":
            return value.absolute_reference_date_offset
        case _:
            return value.value


def blobs() -> list[bytes]:
    chance = random.Random(11)
    made = []
    for _ in range(300):
        runs = [
            Run(" ".join(chance.choices(WORDS, k=3)), chance.choice(ATTRIBUTES))
            for _ in range(chance.randint(1, 4))
        ]
        made.append(encode(runs, mutable=chance.random() < 0.3, big_endian=chance.random() < 0.2))
    return made


ATTRIBUTES: tuple[dict[str, Any], ...] = (
    {PART: 0},
    {PART: 1, FILE: "at_0"},
    {"n": 1.5, "many": 70_000, "minus": -300, "yes": True},
    {"d": {"k": "v", "in": {"deep": [1, "x", {"y": b"\xff\0"}]}}},
    {"l": Url("https://x.org"), "date": Date(1.25)},
)


def test_whole_streams_agree() -> None:
    read = 0
    for blob in blobs():
        expected = text_of(blob)
        if expected is None:
            continue
        read += 1
        body = typedstream.decode(blob)
        assert body is not None
        assert body.text == typedstream.text(blob) == expected
        assert not body.damaged
        found = [(len(run.text.encode("utf-16-le")) // 2, run.attributes) for run in body.runs]
        assert found == runs_of(blob)
    assert read == 300


def test_damaged_streams_that_it_can_still_read_agree() -> None:
    chance = random.Random(12)
    read = 0
    for blob in blobs():
        changed = bytearray(blob)
        changed[chance.randrange(len(blob))] ^= 1 << chance.randrange(8)
        expected = text_of(bytes(changed))
        if expected is None:
            continue
        body = typedstream.decode(bytes(changed))
        if body is not None and not body.damaged:
            read += 1
            assert body.text == expected
    assert read > 50


def test_a_lone_string_agrees() -> None:
    """Not what Messages writes; its class and its text are all that is in it."""
    head = b"\x04\x0bstreamtyped\x81\xe8\x03\x84\x01@\x84\x84\x84"
    blob = head + b"\x08NSString\x01\x84\x84\x08NSObject\x00\x85\x84\x01+\x04slow\x86"
    assert oracle.unarchive_from_data(blob).value == "slow"
    assert typedstream.decode(blob) == typedstream.Body("slow")
