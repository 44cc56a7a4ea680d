"""Names for phone numbers and addresses, from the address book of a Mac or an iPhone."""

from __future__ import annotations

import re
import sqlite3
import sys
from pathlib import Path

from engine.errors import StudioError
from engine.importers.opening import columns, fields, snapshot

FILE = "AddressBook-v22.abcddb"
_SHORTEST_AT_HOME = 8  # digits with the 0: shorter numbers are too often somebody else's in another country
IN_BACKUP = Path("31", "31bb7ba8914766d4ba40d6dfb6113c8b614be442")  # an iPhone's, in its backup


def address(handle: str) -> str:
    """One spelling of a phone number (digits, no North American +1) or e-mail address (lower case)."""
    handle = handle.strip().lower()
    digits = re.sub(r"[\s().\-+/\u2010-\u2015\u200e\u202a-\u202e]", "", handle)
    if not digits.isascii() or not digits.isdecimal() or len(digits) < 7:
        return handle
    if digits.startswith("00"):  # how most of the world dials the + of a foreign number
        digits = digits[2:]
    return digits[1:] if len(digits) == 11 and digits.startswith("1") else digits


class Names:
    """What people are called in the address books: the first name found for an address stays."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._at_home: dict[str, set[str]] = {}  # numbers as dialled inside their country, without the 0

    def add(self, written: str, name: str) -> None:
        one = address(written)
        self._names.setdefault(one, name)
        if one.startswith("0") and one.isdecimal() and len(one) > _SHORTEST_AT_HOME:
            self._at_home.setdefault(one[1:], set()).add(name)

    def get(self, written: str) -> str | None:
        """None: nobody. A number with its country is also found where the book has it without, as long as
        only one person has that number."""
        one = address(written)
        if one in self._names:
            return self._names[one]
        for country in (1, 2, 3) if self._at_home and written.strip().startswith("+") else ():
            if len(names := self._at_home.get(one[country:], set())) == 1:
                return next(iter(names))
        return None


def contacts(database: Path, warnings: list[str], chosen: Path | None = None) -> Names:
    """The names in `chosen` (a file or a folder of them) or else what lies beside `database`: an
    address book, the backup's own, or for a Mac's own messages the user's."""
    names = Names()
    books = _books(database) if chosen is None else _chosen(chosen)
    if chosen is not None and not books:
        raise StudioError(f"There is no address book at {chosen}.", f"Point at an {FILE} or its folder.")
    for book in books:
        try:
            with snapshot(book, []) as connection:
                _read(connection, names)
        except (StudioError, sqlite3.Error, UnicodeDecodeError) as error:
            warnings.append(
                f"The address book {book.name} could not be read, so numbers stay numbers ({error})."
            )
    return names


def _chosen(book: Path) -> list[Path]:
    if book.is_dir():
        places = (
            book / IN_BACKUP,
            book / IN_BACKUP.name,
            book / FILE,
            *sorted(book.glob(f"Sources/*/{FILE}")),
        )
        return [place for place in places if place.is_file()]
    return [book] if book.is_file() else []


def _books(database: Path) -> list[Path]:
    folder = database.parent
    for beside in (folder / FILE, folder / IN_BACKUP.name, folder.parent / IN_BACKUP):
        if beside.is_file():
            return [beside]
    if sys.platform == "darwin" and database.parent == Path.home() / "Library" / "Messages":
        folder = Path.home() / "Library" / "Application Support" / "AddressBook"
        return [book for book in (folder / FILE, *sorted(folder.glob(f"Sources/*/{FILE}"))) if book.is_file()]
    return []


def _read(connection: sqlite3.Connection, names: Names) -> None:
    if columns(connection, "ABPerson"):
        _read_iphone(connection, names)
        return
    wanted = ("Z_PK", "ZFIRSTNAME", "ZLASTNAME", "ZNICKNAME", "ZORGANIZATION")
    query = f"SELECT {', '.join(fields(connection, 'ZABCDRECORD', wanted))} FROM ZABCDRECORD"  # noqa: S608
    people: dict[int, str] = {}
    if not columns(connection, "ZABCDRECORD"):
        raise sqlite3.DatabaseError("it has no table ZABCDRECORD")
    for key, first, last, nickname, organisation in connection.execute(query):
        name = " ".join(str(part).strip() for part in (first, last) if part) or nickname or organisation
        if name:
            people[key] = str(name)
    for table, column in (("ZABCDPHONENUMBER", "ZFULLNUMBER"), ("ZABCDEMAILADDRESS", "ZADDRESSNORMALIZED")):
        if column not in columns(connection, table):
            continue
        query = f"SELECT ZOWNER, {column} FROM {table}"  # noqa: S608
        for owner, written in connection.execute(query):
            if owner in people and written:
                names.add(str(written), people[owner])


def _read_iphone(connection: sqlite3.Connection, names: Names) -> None:
    wanted = fields(connection, "ABPerson", ("First", "Last", "Nickname", "Organization"), "p.")
    query = f"""
        SELECT v.value, {", ".join(wanted)} FROM ABMultiValue v JOIN ABPerson p ON p.ROWID = v.record_id
        WHERE v.value IS NOT NULL ORDER BY p.ROWID"""  # noqa: S608
    for written, first, last, nickname, organisation in connection.execute(query):
        name = " ".join(str(part).strip() for part in (first, last) if part) or nickname or organisation
        if name:
            names.add(str(written), str(name))
