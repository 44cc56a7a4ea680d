"""Zips of exports."""

from __future__ import annotations

import random
import struct
import sys
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "fixtures"))
from databases import database
from mutation import mutate
from threads import sound_json, thread_json
from zip_writer import LOCKED, Member, link, member, zip_bytes

_NAMES = (
    *("../message_1.json", "/etc/message_1.json", "C:\\message_1.json", "a/../../message_1.json", "", "/"),
    *(
        "inbox/race_1/message_1.json",
        "inbox/race_1/message_2.json",
        "x" * 5000 + ".json",
        "a\0b.json",
        "chat.db",
    ),
    *("Library/chat.db", "../chat.db", "inbox/\u202e.json", ".json", "__MACOSX/._message_1.json", "a.html"),
    *("your_instagram_activity/messages/inbox/hare_1/message_1.json", "message_1.json/", "chat.db-wal"),
)
_INSIDE = "your_facebook_activity/messages/inbox/race_1/message_1.json"
_FIELDS = 4, 6, 8, 10, 12, 16, 20, 24, 28, 30, 32, 34, 36, 38, 42  # of an entry of the directory


@lru_cache
def bombs() -> tuple[Member, ...]:
    rows = b'{"participants": [], "messages": [' + b"{}," * 10**6 + b"{}]}"
    return (
        *(
            member("bomb.json", b" " * 10**6),
            member("bomb.json", bytes(3 * 10**7)),
            member("bomb.json", rows),
        ),
        member("chat.db", bytes(3 * 10**7)),
    )


def _member(chance: random.Random) -> Member:
    match chance.randrange(8):
        case 0 if chance.random() < 0.1:
            return chance.choice(bombs())
        case 1:
            return link(chance.choice(_NAMES), "/etc/passwd")
        case 2:
            return member("Library/chat.db", database(chance)[""])
        case 3:
            made = member(chance.choice(_NAMES), thread_json(chance))
            odd: dict[str, Any] = {
                "method": chance.choice((0, 1, 8, 9, 12, 14, 93, 99)),
                "flags": chance.choice((LOCKED, 2, 8, 32, 64, 0x800, 0x2000, 0xFFFF)),
                "size": chance.choice((0, 1, 2**31, 2**32 - 1)),
                "crc": 0,
                "extra": chance.choice((b"\1\0\xff\xff", b"\1\0\x08\0", chance.randbytes(40))),
                "name": chance.choice((b"\xff\xfe.json", b"a.json\0", chance.randbytes(12))),
                "packed": mutate(chance, made.packed) if made.packed else b"",
            }
            name = chance.choice(list(odd))
            return replace(made, **{name: odd[name]})
    return member(chance.choice(_NAMES), thread_json(chance))


def zip_file(chance: random.Random) -> bytes:
    members = [member(_INSIDE, sound_json()[0])] if chance.random() < 0.6 else []
    members += [_member(chance) for _ in range(chance.choice((0, 1, 1, 3)))]
    if chance.random() < 0.02:
        members += [member(f"inbox/{n}/message_1.json", b"{}") for n in range(300)]
    raw = bytearray(zip_bytes(members, chance.choice((b"", b"", b"x", b"PK\x05\x06" * 9))))
    directory, end = raw.find(b"PK\x01\x02"), raw.rfind(b"PK\x05\x06", 0, len(raw) - 1)
    match chance.randrange(8):
        case 0 | 1:
            return mutate(chance, bytes(raw), (b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"PK\x06\x07"))
        case 2:
            at = end + chance.choice((4, 8, 10, 12, 16, 20))
            raw[at : at + 2] = chance.choice((b"\0\0", b"\xff\xff", b"\1\0", chance.randbytes(2)))
        case 3 if directory > 0:
            at = directory + chance.choice(_FIELDS)
            raw[at : at + 2] = chance.choice((b"\0\0", b"\xff\xff", b"\1\0", chance.randbytes(2)))
        case 4:
            end64 = struct.pack(
                "<IQHHIIQQQQ", 0x06064B50, 44, 45, 45, 0, 0, *chance.choices((0, 1, 2**40, 2**64 - 1), k=4)
            )
            raw[end:end] = end64 + struct.pack("<IIQI", 0x07064B50, 0, chance.choice((0, end, 2**63)), 1)
        case 5 if chance.random() < 0.3:
            return b"PK\x03\x04" + chance.randbytes(30) + bytes(raw)  # something before it
    return bytes(raw)
