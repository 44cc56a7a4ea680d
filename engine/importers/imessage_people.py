"""Who is who in a chat.db: handles, the people behind them, and its owner."""

from __future__ import annotations

import sqlite3

from engine.conversation import NAMELESS, Sender
from engine.importers.contacts import Names, address
from engine.importers.opening import columns, fields

ME = "me"  # the owner's key, whatever address was written from
NOBODY = Sender("unknown", "Unknown")
_ACCOUNT = ("e:", "p:")  # before an account's e-mail address or phone number


class People:
    """Handles and the names for them. A sender's key is the person's oldest address, in one spelling.

    own: the owner's addresses, each in one spelling.
    """

    def __init__(self, connection: sqlite3.Connection, names: Names) -> None:
        self.names = names
        self.own = own_addresses(connection)
        self.me = Sender(ME, next(filter(None, map(names.get, self.own)), NAMELESS), is_owner=True)
        self.handles: dict[int, str] = {}
        self.senders: dict[str, Sender] = {ME: self.me}
        self.written: dict[str, list[str]] = {}
        self.keys: dict[object, str | None] = {}
        self.same: dict[str, str] = {}
        if "id" in columns(connection, "handle"):
            self._read_handles(connection)

    def _read_handles(self, connection: sqlite3.Connection) -> None:
        """Messages itself marks the handles of one person: their number and their e-mail address."""
        (person,) = fields(connection, "handle", ("person_centric_id",), cast="TEXT")
        query = f"SELECT ROWID, CAST(id AS TEXT), {person} FROM handle ORDER BY ROWID"  # noqa: S608
        first: dict[str, str] = {}
        for number, written, same in connection.execute(query):
            if not written or not written.strip():
                continue
            self.handles[number] = written
            one = address(written)
            if same and one not in self.own:
                key = first.setdefault(same, one)
                self.same.setdefault(one, self.same.get(key, key))

    def key(self, handle: object) -> str | None:
        """handle: a ROWID of the handle table or, in extracts, an address itself. None: nobody."""
        if handle not in self.keys:
            self.keys[handle] = self._key(handle)
        return self.keys[handle]

    def _key(self, handle: object) -> str | None:
        if isinstance(handle, str) and handle.isdecimal() and len(handle) < 20:
            handle = int(handle) if int(handle) in self.handles else handle
        written = self.handles.get(handle) if isinstance(handle, int) else handle
        if not isinstance(written, str) or not written.strip():
            return None
        one = address(written)
        if one in self.own:
            return ME
        key = self.same.get(one, one)
        self.written.setdefault(key, []).append(written.strip())
        return key

    def sender(self, key: str) -> Sender:
        if key not in self.senders:
            written = self.written.get(key, [key])
            name = next(filter(None, map(self.names.get, written)), written[0])
            self.senders[key] = Sender(key, name)
        return self.senders[key]

    def name(self, handle: object) -> str:
        key = self.key(handle)
        return self.sender(key).name if key else ""

    def of_row(self, is_from_me: object, handle: object, members: tuple[str, ...]) -> Sender:
        """is_from_me decides: one's own rows carry no handle, or the other person's.

        members: who takes part in the conversation.
        """
        if is_from_me:
            return self.me
        key = self.key(handle) or (members[0] if len(members) == 1 else None)
        return self.sender(key) if key else NOBODY


def own_addresses(connection: sqlite3.Connection) -> dict[str, str]:
    """The owner's phone numbers and e-mail addresses: in one spelling -> as written.

    Every row names the one that it was sent from or came to, every chat the last one of them.
    """
    own: dict[str, str] = {}
    for table, names in (
        ("message", ("destination_caller_id", "account")),
        ("chat", ("last_addressed_handle", "account_login")),
    ):
        found = [name for name in fields(connection, table, names, cast="TEXT") if name != "NULL"]
        query = f"SELECT DISTINCT {', '.join(found)} FROM {table}"  # noqa: S608
        for value in (value for row in connection.execute(query) for value in row) if found else ():
            written = (value or "").strip()
            if written[:2].lower() in _ACCOUNT:
                written = written[2:].strip()
            one = address(written)
            if "@" in one or one.isdecimal():  # and not the name of a service
                own.setdefault(one, written)
    return own
