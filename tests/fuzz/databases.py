"""chat.db files: with odd values in sound pages, and with damaged pages."""

from __future__ import annotations

import random
import sqlite3
import sys
import tempfile
from contextlib import closing, suppress
from functools import lru_cache
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "fixtures"))
from imessage_database import Database, history, write_contacts
from mutation import mutate
from typedstream_writer import encode
from typedstreams import streams, summary, typedstream

T = 1_700_000_000_000
BOOK = "AddressBook-v22.abcddb"
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
        connection.execute("PRAGMA max_page_count = 1000")
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


@lru_cache
def address_book() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        write_contacts(Path(folder), {"+15550100001": ("Hare", "Runner"), "owl@example.org": ("Owl", "")})
        return Path(folder, BOOK).read_bytes()


def database(chance: random.Random) -> dict[str, bytes]:
    """A chat.db and what lies beside it, by what is behind "chat.db" in its name; BOOK is an address book."""
    raw, newest = chance.choice(databases())
    files = {"": raw}
    if chance.random() < 0.05:
        files[BOOK] = (rewritten if chance.random() < 0.5 else damaged)(chance, address_book())
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
