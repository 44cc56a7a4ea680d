"""Typedstreams, and the property lists of edited and partly unsent messages."""

from __future__ import annotations

import plistlib
import random
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "fixtures"))
from imessage_database import history
from mutation import mutate
from typedstream_writer import FILE, HEADER, PART, Run, Url, encode, laughing


@lru_cache
def streams() -> tuple[bytes, ...]:
    runs = [
        Run("😂a", {PART: 0, "d": {"k": 1.5}}),
        Run("\ufffc", {PART: 1, FILE: "at"}),
        Run("x", {"u": Url("y"), "__kIMOneTimeCodeAttributeName": {"code": "1"}}),
    ]
    edited = [Run("once", {"n": 2**40, "data": b"\0" * 40}), Run("upon", {PART: 10})]
    heard = [Run("\ufffc", {PART: 0, "IMAudioTranscription": "hi", "__kIMBreadcrumbTextMarker": "b"})]
    return (
        *(encode("slow and steady"), encode(runs), encode(edited, mutable=True)),
        *(encode(heard), encode(edited, big_endian=True)),
        encode("z" * 70_000),
    )


_NUMBERS = b"\x81\xff\xff", b"\x82\xff\xff\xff\x7f", b"\x87" + b"\xff" * 8, b"\x83\0\0\xc0\x7f", b"\x81\0\x80"
_TYPES = (
    *(b"@", b"iI", b"+", b"*", b":", b"#", b"c", b"q", b"d", b"[3c]", b"[4i]", b"[99999999999c]", b"[0@]"),
    *(b"[2[2[2[2@]]]]", b"{a=ii}", b"{a={b={c=@}}}", b"(a=@i)", b"[-1c]", b"[1000000i]", b"[", b"}", b"{=}"),
    *(b"[0[0i]]", b"i" * 200, b"[9[9[9[9[9[9[9[9{=}]]]]]]]]", b"\xff", b"@@@@@@@@"),
)
_CLASSES = (
    *(b"NSAttributedString", b"NSString", b"NSDictionary", b"NSArray", b"NSSet", b"NSNumber", b"NSData"),
    *(b"NSObject", b"NSURL", b"", b"\xff\xfe"),
)


def _short(data: bytes) -> bytes:
    return bytes([0x84, len(data)]) + data


def token_stream(chance: random.Random) -> bytes:
    """A stream of tokens that all are right, in an order that may be none."""
    out = bytearray(HEADER + b"\x84\x01@")
    if chance.random() < 0.5:
        out += b"\x84\x84" + _short(b"NSAttributedString") + b"\0\x85\x92\x84" + b"\x84" + _short(b"NSString")
        out += b"\x01\x85" + _short(b"+") + b"\x02hi\x86"
    for _ in range(chance.choice((5, 40, 400))):
        match chance.randrange(8):
            case 0:
                out += _short(chance.choice(_TYPES))
            case 1:
                out += b"\x84\x84" + _short(chance.choice(_CLASSES)) + b"\0\x85"
            case 2:
                out.append(chance.choice((0x84, 0x85, 0x86)))
            case 3 | 4:
                out.append(chance.randrange(0x92, 0xA0))  # the first references
            case 5:
                out += chance.choice(_NUMBERS)
            case 6:
                out.append(chance.randrange(8))
            case 7:
                out += _short(b"@") + bytes([0x92, 0x86])
    return bytes(out)


def typedstream(chance: random.Random) -> bytes:
    match chance.randrange(10):
        case 0 | 1 | 2:
            return token_stream(chance)
        case 3 if chance.random() < 0.1:
            return mutate(chance, laughing(chance.choice((3, 20, 50))))
        case _:
            return mutate(chance, chance.choice(streams()[: 6 if chance.random() < 0.02 else 5]))


def _odd_tree(chance: random.Random, depth: int = 0) -> Any:
    leaves = (0, 1, -1, 2**63 - 1, 1e300, True, "", "0", "x" * 300, b"", b"\xff", encode("now"), 0.5)
    match chance.randrange(8 if depth < 4 else 6):
        case 6:
            return [_odd_tree(chance, depth + 1) for _ in range(chance.randrange(4))]
        case 7:
            keys = ("ec", "otr", "rp", "t", "d", "0", "1", "lo", "le", "x")
            return {chance.choice(keys): _odd_tree(chance, depth + 1) for _ in range(chance.randrange(4))}
    return chance.choice(leaves)


def summary(chance: random.Random) -> bytes:
    """A message_summary_info, binary or XML."""
    match chance.randrange(12):
        case 0:
            laughing: list[Any] = []
            for _ in range(chance.choice((5, 25, 60))):
                laughing = [laughing, laughing]
            return mutate(chance, plistlib.dumps({"rp": laughing}, fmt=plistlib.FMT_BINARY))
        case 1:
            deep = b"<array>" * 20_000 + b"</array>" * 20_000
            return b"<plist><dict><key>rp</key><array>" + deep + b"</array></dict></plist>"
        case 2 | 3:
            made = {
                "rp": [0],
                "ec": {"0": [{"d": 1.0, "t": encode("a")}]},
                "when": plistlib.datetime.datetime(2020, 1, 1),
            }
            words = b"<date>x</date>", b"<dict>", b"</dict>", b"<key>", b"</key>", b"<integer>x</integer>"
            return mutate(
                chance, plistlib.dumps(made), (*words, b"<data>!</data>", b"&x;", b"<!ENTITY x 'y'>")
            )
        case 4 | 5 | 6:
            tree = {name: _odd_tree(chance) for name in ("ec", "otr", "rp") if chance.random() < 0.8}
            return plistlib.dumps(tree, fmt=plistlib.FMT_BINARY)
    parts = {str(n): [{"d": 1.0, "t": encode(f"version {n}")}] for n in range(3)}
    return mutate(chance, history(ec=parts, otr={"0": {"lo": 0, "le": 5}, "1": {}}, rp=[1, 7]))
