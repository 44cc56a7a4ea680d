"""Our decoder beside pytypedstream, wherever that can decode a stream at all."""

from __future__ import annotations

import random

import pytest
from typedstream_writer import FILE, PART, Run, Url, encode

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


def runs_of(blob: bytes) -> list[tuple[int, int]]:
    """(dictionary number, length in UTF-16 units) of each run, as pytypedstream reads them."""
    groups = oracle.unarchive_from_data(blob).contents[1:]
    return [tuple(group.values) for group in groups if len(group.values) == 2]


def blobs() -> list[bytes]:
    chance = random.Random(11)
    made = []
    for _ in range(300):
        runs = [
            Run(" ".join(chance.choices(WORDS, k=3)), chance.choice(ATTRIBUTES))
            for _ in range(chance.randint(1, 4))
        ]
        made.append(encode(runs, mutable=chance.random() < 0.3))
    return made


ATTRIBUTES = ({PART: 0}, {PART: 1, FILE: "at_0"}, {"n": 1.5}, {"d": {"k": "v"}}, {"l": Url("https://x.org")})


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
        assert [len(run.text.encode("utf-16-le")) // 2 for run in body.runs] == [n for _, n in runs_of(blob)]
    assert read > 250


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
