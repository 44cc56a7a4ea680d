"""What the fuzzer feeds the importers: sound inputs, and ways to break them.

Every maker takes its chances from the Random that it is given and from nothing else.
"""

from __future__ import annotations

import json
import plistlib
import random
import sqlite3
import struct
import sys
import tempfile
from contextlib import closing, suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "fixtures"))
from imessage_database import Database, history
from typedstream_writer import FILE, HEADER, PART, Run, Url, encode
from zip_writer import LOCKED, Member, link, member, zip_bytes

T = 1_700_000_000_000


def mutate(chance: random.Random, raw: bytes, words: tuple[bytes, ...] = ()) -> bytes:
    """A few flips, cuts, repetitions and odd bytes. words: what may stand in the place of others."""
    data = bytearray(raw)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        at = chance.randrange(len(data) + 1)
        end = min(len(data), at + chance.choice((1, 2, 8, 64)))
        match chance.randrange(6):
            case 0 if at < len(data):
                data[at] ^= 1 << chance.randrange(8)
            case 1 if at < len(data):
                data[at] = chance.choice((0, 1, 0x7F, 0x80, 0x81, 0x82, 0x84, 0x86, 0x87, 0x92, 0xFF))
            case 2:
                del data[at:end]
            case 3:
                data[at:at] = data[at:end] * chance.choice((1, 2, 50))
            case 4:
                data[at:end] = chance.choice(words) if words else chance.randbytes(end - at)
            case 5:
                data = data[: max(1, at)]
    return bytes(data)


# Typedstreams


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
        *(encode("slow and steady"), encode(runs), encode(edited, mutable=True), encode(heard)),
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


def laughing_stream(depth: int) -> bytes:
    """Arrays of twice the same array, `depth` deep: small, and without an end once it is written out."""
    objects = {b"@": 0}  # shared strings by number
    out = bytearray(HEADER)

    def shared(text: bytes) -> None:
        if text in objects:
            out.append(256 - 110 + objects[text])
        else:
            objects[text] = len(objects)
            out.extend(_short(text))

    known: dict[bytes, int] = {}
    count = 0

    def begin(name: bytes) -> int:
        nonlocal count
        number, count = count, count + 1
        out.append(0x84)
        if name in known:
            out.append(256 - 110 + known[name])
        else:
            known[name], count = count, count + 1
            out.append(0x84)
            shared(name)
            out.extend(b"\0\x85")
        return number

    def reference(number: int) -> None:
        out.extend(b"\x81" + struct.pack("<h", number - 110) if number > 200 else bytes([146 + number]))

    def array(level: int) -> int:
        number = begin(b"NSArray")
        shared(b"i")
        out.append(2)
        shared(b"@")
        if level:
            inner = array(level - 1)
        else:
            inner = begin(b"NSArray")
            shared(b"i")
            out.extend(b"\0\x86")
        shared(b"@")
        reference(inner)
        out.append(0x86)
        return number

    out.extend(_short(b"@"))
    begin(b"NSAttributedString")
    shared(b"@")
    begin(b"NSString")
    shared(b"+")
    out.extend(b"\x02hi\x86")
    shared(b"iI")
    out.extend(b"\x01\x02")
    shared(b"@")
    begin(b"NSDictionary")
    shared(b"i")
    out.append(1)
    shared(b"@")
    key = array(depth)
    shared(b"@")
    reference(key)
    out.extend(b"\x86\x86")
    return bytes(out)


def typedstream(chance: random.Random) -> bytes:
    match chance.randrange(10):
        case 0 | 1 | 2:
            return token_stream(chance)
        case 3 if chance.random() < 0.1:
            return mutate(chance, laughing_stream(chance.choice((3, 20, 50))))
        case _:
            return mutate(chance, chance.choice(streams()[: 5 if chance.random() < 0.02 else 4]))


# The property list of an edited or partly unsent message


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


# Thread files

ODD_VALUES = (
    *(b"null", b"true", b"-1", b"1e999", b"99999999999999999999", b"[]", b"{}", b'""', b'"\\ud83d"'),
    *(b'"\\u0000"', b"[[[[", b'{"a":', b"\xff", b'"\\u00c3\\u00a9"', b"NaN", b"0.5", b"[" * 5000),
    *(b'{"name": 3}', b'[{"uri": null}]', b"\xef\xbb\xbf", b'},{"sender_name"', b'"messages":[', b"]}"),
)
_ODD_THINGS: tuple[Any, ...] = (
    *(None, True, 0, -1, 1.5, 1e308, 2**63, 10**30, "", "\0", "Zo\u00c3\u00ab", "\ud83d", "x" * 5000, [], {}),
    *([None], [[[]]], {"name": None}, {"uri": 3}, [{"uri": None}], [{"reaction": "x", "actor": None}]),
    *(253_402_300_799_999, "Facebook user", "You missed a call from X.", {"link": 0}, T),
)


def thread() -> dict[str, Any]:
    names = [{"name": "Hare"}, {"name": "Tortoise"}]
    messages: list[dict[str, Any]] = [
        {"sender_name": "Hare", "timestamp_ms": T + n, "content": "Zo\u00c3\u00ab!", "is_unsent": False}
        for n in range(6)
    ]
    for n in (1, 3, 5):
        reactions = [{"reaction": "x", "actor": "Hare", "timestamp": 1}]
        messages[n] |= {"photos": [{"uri": "a.jpg"}], "reactions": reactions}
    messages[4] |= {"call_duration": 3, "share": {"link": "https://x.org"}, "sticker": {"uri": "s"}}
    return {"participants": names, "messages": messages, "title": "Race", "thread_path": "inbox/race_1"}


def locked_thread() -> dict[str, Any]:
    """The other shape, of end-to-end encrypted chats."""
    message = {"senderName": "Hare", "timestamp": T, "text": "hi", "type": "text", "isUnsent": False}
    messages = [message | {"media": [{"uri": "a.mp4"}], "reactions": []} for _ in range(4)]
    return {"participants": ["Hare", "Tortoise"], "threadName": "Race_1", "messages": messages}


@lru_cache
def sound_json() -> tuple[bytes, ...]:
    return json.dumps(thread(), indent=1).encode(), json.dumps(locked_thread()).encode()


def _replaced(chance: random.Random, value: Any) -> Any:
    """The same tree with one odd thing somewhere."""
    if chance.random() < 0.15 or not isinstance(value, dict | list) or not value:
        return chance.choice(_ODD_THINGS)
    if isinstance(value, dict):
        key = chance.choice(list(value))
        if chance.random() < 0.1:
            return {name: item for name, item in value.items() if name != key}
        return value | {key: _replaced(chance, value[key])}
    at = chance.randrange(len(value))
    if chance.random() < 0.1:
        return value[:at] + value[at:] * 2
    return [*value[:at], _replaced(chance, value[at]), *value[at + 1 :]]


def thread_json(chance: random.Random) -> bytes:
    if chance.random() < 0.4:
        made: Any = thread() if chance.random() < 0.6 else locked_thread()
        for _ in range(chance.choice((1, 2, 5))):
            made = _replaced(chance, made)
        return json.dumps(made, ensure_ascii=chance.random() < 0.7).encode("utf-8", "surrogatepass")
    return mutate(chance, chance.choice(sound_json()), ODD_VALUES)


# Databases

PAGE = 1024
_ODD_CELLS = (
    *(
        "NULL",
        "0",
        "-1",
        "1e999",
        "-9223372036854775808",
        "9223372036854775807",
        "''",
        "x'ff00'",
        "zeroblob(9)",
    ),
    *(
        "'guid-1'",
        "printf('%.*c', 6000, '9')",
        "printf('%.*c', 6000, 'x')",
        "char(0)",
        "'p:0/guid-3'",
        "2000",
    ),
    *(
        "3006",
        "2006",
        "43",
        "1.5",
        "CAST(x'c3' AS TEXT)",
        "CAST(x'f0ff' AS BLOB)",
        "char(65532)",
        "'+15550100001'",
    ),
)


def _database(encoding: str = "UTF-8", wal: bool = False) -> tuple[bytes, bytes]:
    """A chat.db, and what its -wal file holds."""
    with tempfile.TemporaryDirectory() as folder:
        made = Database(Path(folder, "chat.db"))
        hare, owl = made.handle("+15550100001"), made.handle("owl@example.org")
        chats = made.chat("+15550100001", hare), made.chat("chat1", hare, owl, style=43, display_name="Race")
        edits = history(ec={"0": [{"d": 1.0, "t": encode("frist")}]}, otr={"0": {"lo": 0, "le": 5}}, rp=[1])
        for n in range(40):
            row = made.message(chats[n % 2], hare, T + n, None if n % 3 else f"line {n}", body=f"line {n}")
            if n % 5 == 0:
                made.attach(row, f"{n}.jpeg", mime_type="image/jpeg")
        made.message(chats[0], hare, T, "x" * 3000, date_edited=1, message_summary_info=edits)
        on = {"associated_message_type": 2000, "associated_message_guid": "p:0/guid-1"}
        made.message(chats[0], owl, T, "Loved", **on)
        made.message(chats[1], owl, T, None, item_type=2, group_title="Race", body=streams()[1])
        made.message(chats[1], owl, T, "re", thread_originator_guid="guid-2", mine=True)
        made.close()
        with closing(sqlite3.connect(Path(folder, "chat.db"), isolation_level=None)) as old:
            dump = list(old.iterdump())
        with closing(sqlite3.connect(Path(folder, "small.db"), isolation_level=None)) as new:
            new.execute(f"PRAGMA encoding = '{encoding}'")
            new.execute(f"PRAGMA page_size = {PAGE}")
            new.executescript("".join(dump))
            newest = b""
            if wal:
                new.execute("PRAGMA journal_mode = WAL")
                new.execute("INSERT INTO message (guid, text, handle_id, date) VALUES ('new', 'new', 1, 1)")
                new.execute("INSERT INTO chat_message_join (chat_id, message_id) VALUES (1, 45)")
                newest = Path(folder, "small.db-wal").read_bytes()
            return Path(folder, "small.db").read_bytes(), newest


@lru_cache
def databases() -> tuple[tuple[bytes, bytes], ...]:
    return _database(), _database("UTF-16le"), _database(wal=True)


def rewritten(chance: random.Random, raw: bytes) -> bytes:
    """Sound pages with odd things in them: values of any type anywhere, tables and columns gone."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.deserialize(raw)
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for _ in range(chance.choice((1, 3, 8))):
            table = chance.choice((*tables, "message", "message", "chat_message_join", "chat"))
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            column, cell = chance.choice(columns or ["x"]), chance.choice(_ODD_CELLS)
            some = chance.choice(("", f"WHERE rowid = {chance.randrange(1, 45)}", "WHERE rowid % 3 = 0"))
            with suppress(sqlite3.Error):  # not every change can be made: then the next one is
                match chance.randrange(20):
                    case 0:
                        connection.execute(f"DROP TABLE {table}")
                    case 1:
                        connection.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
                    case 2:
                        connection.execute(f"DELETE FROM {table} {some}")
                    case 3:
                        connection.execute(f"INSERT INTO {table} SELECT * FROM {table} {some}")
                    case 4:
                        connection.execute(f"CREATE VIEW v AS SELECT * FROM {table}")
                        connection.execute(f"DROP TABLE {table}")
                        connection.execute(f"ALTER TABLE v RENAME TO {table}")
                    case 5:  # an extract, whose columns have no types
                        connection.execute(f"CREATE TABLE bare AS SELECT * FROM {table}")
                        connection.execute(f"DROP TABLE {table}")
                        connection.execute(f"ALTER TABLE bare RENAME TO {table}")
                        connection.execute(f"CREATE UNIQUE INDEX numbered ON {table} (ROWID)")
                        connection.execute(f"UPDATE {table} SET {column} = {cell} {some}")
                    case 6:
                        connection.execute("PRAGMA writable_schema = ON")
                        change = "sql = replace(sql, 'INTEGER', 'BLOB')", "sql = sql || 'x'", "rootpage = 2"
                        change += ("name = 'x'", "sql = replace(sql, ')', ') WITHOUT ROWID')")
                        connection.execute(f"UPDATE sqlite_master SET {chance.choice(change)} {some}")
                    case 7:
                        other = chance.choice(columns or ["x"])
                        connection.execute(f"UPDATE {table} SET {column} = {other} {some}")
                    case 8:
                        connection.execute(
                            f"UPDATE message SET message_summary_info = ?, date_edited = 1 {some}",
                            [summary(chance)],
                        )
                    case 9:
                        connection.execute(
                            f"UPDATE message SET attributedBody = ?, text = NULL {some}",
                            [typedstream(chance)],
                        )
                    case _:
                        connection.execute(f"UPDATE {table} SET {column} = {cell} {some}")
        return connection.serialize()


def damaged(chance: random.Random, sound: bytes) -> bytes:
    raw = bytearray(sound)
    if chance.random() < 0.2:  # the header and the schema
        for _ in range(chance.randint(1, 6)):
            raw[chance.randrange(PAGE)] = chance.randrange(256)
    for _ in range(chance.choice((1, 3, 30))):
        at = chance.randrange(len(raw))
        raw[at : at + 1] = chance.randbytes(1)
    if chance.random() < 0.3:  # the head of a page: its kind, its cells and where they lie
        page = PAGE * chance.randrange(1, len(raw) // PAGE)
        raw[page + chance.randrange(24)] = chance.choice((0, 1, 2, 5, 10, 13, 127, 255))
    if chance.random() < 0.2:
        page = PAGE * chance.randrange(1, len(raw) // PAGE)
        other = PAGE * chance.randrange(1, len(raw) // PAGE)
        fill = b"\xa5" * PAGE, b"\0" * PAGE, b"\r" * PAGE, bytes(raw[other : other + PAGE])
        raw[page : page + PAGE] = chance.choice(fill)
    if chance.random() < 0.1:
        del raw[chance.randrange(len(raw)) :]
    return bytes(raw)


def database(chance: random.Random) -> dict[str, bytes]:
    """The files of a chat.db by their endings."""
    raw, newest = chance.choice(databases())
    files = {"": raw}
    if newest:
        files["-wal"] = mutate(chance, newest) if chance.random() < 0.7 else newest
        if chance.random() < 0.2:
            del files["-wal"]
        if chance.random() < 0.01:  # SQLite itself may try for ten seconds to make sense of it
            files["-shm"] = chance.randbytes(chance.choice((0, 100, 32768)))
    elif chance.random() < 0.6:
        files[""] = rewritten(chance, raw)
    elif chance.random() < 0.1:
        files["-journal"] = chance.randbytes(600)
    if newest or chance.random() < 0.6:
        files[""] = damaged(chance, files[""])
    return files


# Zips

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
        *(member("bomb.json", b" " * 10**6), member("bomb.json", bytes(10**8)), member("bomb.json", rows)),
        member("chat.db", bytes(10**8)),
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
