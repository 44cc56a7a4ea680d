"""The one transaction of a later import: from the temporary tables into the studio's own."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence

import msgspec

from engine.archive.edits import History, keep_edits
from engine.archive.known import settle
from engine.archive.nameless import NAMED_ELSEWHERE, TAKE_OVER_NAME
from engine.archive.names import nearest
from engine.archive.suggestions import address
from engine.packed import sample_rank, words

NOTED = 1_000  # messages that were there already

# Which of the studio's messages each staged one is: by its key, or where it has none by what it says. What
# was taken back says nothing any more, and what the service wrote (a call, an event) it writes in another
# language once the account has another: those are known by their place, their sender and their kind.
KNOWN = (
    "CREATE TEMP TABLE known (staged INTEGER PRIMARY KEY, id INTEGER)",
    """
INSERT INTO known SELECT s.rowid, m.id FROM staged_messages s
CROSS JOIN staged_conversations c ON c.n = s.conversation
CROSS JOIN messages m ON m.conversation = c.id AND m.key = s.key AND m.key <> ''
WHERE s.key <> ''
""",
    """
INSERT INTO known SELECT s.rowid, min(m.id) FROM staged_messages s
CROSS JOIN staged_conversations c ON c.n = s.conversation
CROSS JOIN messages m INDEXED BY messages_spoken ON m.conversation = c.id AND m.time = s.time
WHERE s.key = '' AND m.key = '' AND m.text = s.text GROUP BY s.rowid
""",
    """
INSERT INTO known SELECT s.rowid, m.id FROM staged_messages s
CROSS JOIN staged_conversations c ON c.n = s.conversation
CROSS JOIN staged_senders w ON w.n = s.sender
CROSS JOIN messages m INDEXED BY messages_spoken
    ON m.conversation = c.id AND m.time = s.time AND m.seq = s.seq AND m.sender = w.id
WHERE s.rowid NOT IN (SELECT staged FROM known) AND m.id NOT IN (SELECT id FROM known)
    AND s.key = '' AND m.key = ''
    AND (s.kind = m.kind AND s.kind <> 'speech' OR s.kind = 'unsent' OR m.kind = 'unsent')
GROUP BY m.id
""",
)
# Which staged conversations and senders are not older than what the studio has: their titles, names,
# reactions and texts are believed. An export is as old as its latest message; a single thread's may be newer
# than an export of everything.
NEWER = """
UPDATE staged_conversations SET newer = coalesce((
    SELECT last FROM conversations c WHERE c.id = staged_conversations.id
) < f.last, true)
FROM (SELECT conversation, max(time) AS last FROM staged_messages GROUP BY conversation) f
WHERE f.conversation = n
"""
ALL_NEWER = """
UPDATE staged_conversations SET newer = true
WHERE (SELECT max(time) FROM staged_messages) >=
    coalesce((SELECT max(last) FROM conversations WHERE source = ?), 0)
"""
# An edited message never goes back to its first wording because another export was read later, and what was
# edited or taken back is known to be later by that alone.
# seq only grows: an export that holds less of a millisecond must not reshuffle it.
CHANGED = """
CREATE TEMP TABLE changed AS
SELECT m.id, s.rowid AS staged
FROM known k
CROSS JOIN staged_messages s ON s.rowid = k.staged
CROSS JOIN staged_conversations c ON c.n = s.conversation
CROSS JOIN staged_senders w ON w.n = s.sender
CROSS JOIN messages m ON m.id = k.id
WHERE (c.newer AND s.edited >= m.edited OR s.edited > m.edited OR s.kind = 'unsent')
    AND (s.kind = 'unsent' OR m.kind <> 'unsent') AND (
    s.text <> m.text OR s.kind <> m.kind OR s.reactions <> m.reactions OR s.attachments <> m.attachments
    OR s.edited <> m.edited OR s.time <> m.time OR w.id <> m.sender)
"""
RESHUFFLE = """
UPDATE messages SET seq = s.seq
FROM staged_messages s CROSS JOIN known k ON k.staged = s.rowid
WHERE s.seq > 0 AND messages.id = k.id AND s.seq > messages.seq
"""
UPDATE = """
UPDATE messages SET
    sender = w.id, time = s.time, kind = s.kind, text = s.text, reactions = s.reactions,
    attachments = s.attachments, edited = s.edited
FROM changed
JOIN staged_messages s ON s.rowid = changed.staged
JOIN staged_senders w ON w.n = s.sender
WHERE messages.id = changed.id
"""
INSERT = """
INSERT INTO messages (conversation, key, sender, time, seq, kind, text, reactions, attachments, edited)
SELECT c.id, s.key, w.id, s.time, s.seq, s.kind, s.text, s.reactions, s.attachments, s.edited
FROM staged_messages s
CROSS JOIN staged_conversations c ON c.n = s.conversation
CROSS JOIN staged_senders w ON w.n = s.sender
WHERE s.rowid NOT IN (SELECT staged FROM known) ORDER BY s.rowid
ON CONFLICT (conversation, key) WHERE key <> '' DO NOTHING
"""
THERE = f"""
SELECT c.title, s.time, s.text
FROM known k
CROSS JOIN staged_messages s ON s.rowid = k.staged
CROSS JOIN staged_conversations c ON c.n = s.conversation
ORDER BY k.staged LIMIT {NOTED}
"""  # noqa: S608
ANSWER = """
UPDATE messages SET reply_to = r.target
FROM (
    SELECT m.id, target.id AS target
    FROM temp.replies s
    CROSS JOIN staged_conversations c ON c.n = s.conversation
    CROSS JOIN messages m ON m.conversation = c.id AND m.key = s.key AND m.key <> ''
    CROSS JOIN messages target
        ON target.conversation = c.id AND target.key = s.target AND target.key <> ''
) r
WHERE messages.id = r.id AND messages.reply_to IS NOT r.target
"""
FORGET_SPEECH = """
INSERT INTO speech_index (speech_index, rowid, text)
SELECT 'delete', id, text FROM speech WHERE id IN (SELECT id FROM changed)
"""
INDEX_SPEECH = """
INSERT INTO speech_index (rowid, text)
SELECT id, text FROM speech WHERE id > ? OR id IN (SELECT id FROM changed)
"""
CONVERSATION_FIGURES = """
UPDATE conversations SET messages = f.messages, first = f.first, last = f.last
FROM (
    SELECT conversation, count(*) AS messages, min(time) AS first, max(time) AS last
    FROM messages WHERE conversation IN (SELECT id FROM conversations WHERE source = ?) GROUP BY conversation
) f
WHERE conversations.id = f.conversation
"""
SENDER_FIGURES = """
UPDATE senders SET messages = f.messages, words = f.words, first = f.first, last = f.last
FROM (
    SELECT sender, count(*) AS messages, sum(iif(kind = 'speech', words(text), 0)) AS words,
        min(time) AS first, max(time) AS last
    FROM messages WHERE conversation IN (SELECT id FROM conversations WHERE source = ?) GROUP BY sender
) f
WHERE senders.id = f.sender
"""
# (In SQLite `text` comes from the row that has the greatest time.)
SAMPLES = """
UPDATE senders SET sample = f.text
FROM (
    SELECT sender, text, max(sample_rank(words(text), time))
    FROM messages
    WHERE conversation IN (SELECT id FROM conversations WHERE source = ?) AND kind = 'speech'
        AND words(text) > 0
    GROUP BY sender
) f
WHERE senders.id = f.sender
"""

# Everything of :other becomes :keep's; whoever was the AI sender still is.
JOIN_PEOPLE = (
    "UPDATE senders SET person = :keep WHERE person = :other",
    "UPDATE people SET is_ai = is_ai OR (SELECT is_ai FROM people WHERE id = :other),"
    " is_owner = is_owner OR (SELECT is_owner FROM people WHERE id = :other) WHERE id = :keep",
    "DELETE FROM people WHERE id = :other",
)
# A person is the owner when one of its senders is.
MARK_OWNERS = """
UPDATE people SET is_owner = EXISTS (SELECT 1 FROM senders s WHERE s.person = people.id AND s.is_owner)
"""
# The person who is the owner elsewhere under the name of this sender, and this sender's own.
OTHER_OWNER = """
SELECT other.person, me.person FROM senders me
JOIN senders other ON other.name = me.name AND other.is_owner AND other.person <> me.person
WHERE me.id = ? ORDER BY other.id LIMIT 1
"""


class Origin(msgspec.Struct, frozen=True):
    """Where an import comes from. owner: the user's word; found: the importer's. edits: what was seen of
    the messages' histories so far."""

    source: str
    importer: str
    path: str
    imported_at: int
    owner: str | None
    found: str | None
    edits: list[History] = []


class Merged(msgspec.Struct, frozen=True):
    """source: its number. taken: how many messages came; inserted: how many of them are new. owner: whose
    export it is, where that is known. there: (conversation, time, text) of the first ones that were there
    already."""

    source: int
    taken: int
    inserted: int
    owner: str | None
    warnings: list[str]
    there: Sequence[tuple[str, int, str]] = ()


def merge(
    connection: sqlite3.Connection,
    origin: Origin,
    taken: int,
    check: Callable[[], None],
    end: Callable[[Merged], None],
) -> Merged:
    """Take the staged rows over. `check` raises to stop; then nothing was changed. `end` is told in the end,
    before it is for good."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        source = add_source(connection, origin)
        _conversations(connection, source)
        flagged = _senders(connection, source)
        check()
        inserted = _messages(connection, check)
        there = connection.execute(THERE).fetchall()
        keep_edits(connection, source, origin.edits)
        add_figures(connection, source)
        owner, warnings = mark_owner(connection, source, origin, flagged)
        merged = Merged(source, taken, inserted, owner, warnings, there)
        end(merged)
        check()
        connection.commit()
    except BaseException:
        connection.rollback()
        raise
    return merged


def add_source(connection: sqlite3.Connection, origin: Origin) -> int:
    row = connection.execute(
        "INSERT INTO sources (name, importer, path, imported_at) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (name) DO UPDATE"
        " SET importer = excluded.importer, path = excluded.path, imported_at = excluded.imported_at"
        " RETURNING id",
        (origin.source, origin.importer, origin.path, origin.imported_at),
    ).fetchone()
    return int(row[0])


def add_figures(connection: sqlite3.Connection, source: int) -> None:
    """Bring the figures of the source's conversations and senders up to date."""
    connection.create_function("words", 1, words, deterministic=True)
    connection.create_function("sample_rank", 2, sample_rank, deterministic=True)
    for statement in (CONVERSATION_FIGURES, SENDER_FIGURES, SAMPLES):
        connection.execute(statement, (source,))


def _conversations(connection: sqlite3.Connection, source: int) -> None:
    settle(connection, source)
    connection.execute(
        "INSERT INTO conversations (source, key, title, is_group, section)"
        " SELECT ?, key, title, is_group, section FROM staged_conversations WHERE true ORDER BY n"
        " ON CONFLICT (source, key) DO UPDATE"
        # An older export does not know yet that it went on encrypted.
        " SET section = iif(section = 'encrypted', section, excluded.section)",
        (source,),
    )
    connection.execute(
        "UPDATE staged_conversations SET id ="
        " (SELECT id FROM conversations c WHERE c.source = ? AND c.key = staged_conversations.key)",
        (source,),
    )
    connection.execute(NEWER)
    connection.execute(ALL_NEWER, (source,))
    told = connection.execute(
        "SELECT s.id, s.title, s.is_group, s.newer, c.title FROM staged_conversations s"
        " JOIN conversations c ON c.id = s.id WHERE s.title <> c.title OR s.is_group <> c.is_group ORDER BY n"
    ).fetchall()
    for id, title, is_group, newer, before in told:
        if newer:
            connection.execute("UPDATE conversations SET is_group = ? WHERE id = ?", (is_group, id))
        if _better(title, before, newer):
            connection.execute("UPDATE conversations SET title = ? WHERE id = ?", (title, id))


def _better(name: str, before: str, newer: bool) -> bool:
    """Whether `name` takes the place of the one before: the newer one does, but a bare number is no name."""
    bare, was_bare = bool(address(name)), bool(address(before))
    return bool(newer) if bare == was_bare else was_bare


def _senders(connection: sqlite3.Connection, source: int) -> list[int]:
    """Give every staged sender its id, the new ones a person each. Returns those who are the owner
    by the export's own word."""
    flagged: list[int] = []
    staged = connection.execute(
        "SELECT n, key, name, is_owner, EXISTS (SELECT 1 FROM staged_participants p"
        " JOIN staged_conversations c ON c.n = p.conversation WHERE p.sender = s.n AND c.newer)"
        " FROM staged_senders s ORDER BY n"
    ).fetchall()
    for n, key, name, is_owner, newer in staged:
        known = connection.execute(
            "SELECT id, name, person, is_owner FROM senders WHERE source = ? AND key = ?", (source, key)
        ).fetchone()
        if known is None:
            person = connection.execute("INSERT INTO people (name) VALUES (?)", (name,)).lastrowid
            id = connection.execute(
                "INSERT INTO senders (source, key, name, person) VALUES (?, ?, ?, ?)",
                (source, key, name, person),
            ).lastrowid
        else:
            id, old_name, person, was_owner = known
            # An owner may have been given a better name.
            if old_name != name and not was_owner and _better(name, old_name, newer):
                rename(connection, id, name)
        connection.execute("UPDATE staged_senders SET id = ? WHERE n = ?", (id, n))
        if is_owner and id is not None:
            flagged.append(id)
    connection.execute(
        "INSERT INTO participants (conversation, sender, place)"
        " SELECT c.id, s.id, p.place FROM staged_participants p"
        " JOIN staged_conversations c ON c.n = p.conversation JOIN staged_senders s ON s.n = p.sender"
        " WHERE true ON CONFLICT DO NOTHING"
    )
    return flagged


def _messages(connection: sqlite3.Connection, check: Callable[[], None]) -> int:
    last = connection.execute("SELECT coalesce(max(id), 0) FROM messages").fetchone()[0]
    for statement in KNOWN:
        connection.execute(statement)
        check()
    connection.execute(RESHUFFLE)
    connection.execute(CHANGED)
    connection.execute(FORGET_SPEECH)  # needs the old wording
    connection.execute(UPDATE)
    check()
    inserted = connection.execute(INSERT).rowcount
    check()
    connection.execute(ANSWER)
    connection.execute(INDEX_SPEECH, (last,))
    check()
    # Who wrote without being listed takes part all the same.
    connection.execute(
        "INSERT INTO participants (conversation, sender, place)"
        " SELECT DISTINCT c.id, w.id, 1000000 + w.n FROM staged_messages s"
        " JOIN staged_conversations c ON c.n = s.conversation JOIN staged_senders w ON w.n = s.sender"
        " WHERE true ON CONFLICT DO NOTHING"
    )
    return inserted


def rename(connection: sqlite3.Connection, sender: int, name: str) -> None:
    """Rename a sender, and its person where the person bore the sender's name."""
    connection.execute(
        "UPDATE people SET name = ?2 FROM senders s"
        " WHERE s.id = ?1 AND people.id = s.person AND people.name = s.name",
        (sender, name),
    )
    connection.execute("UPDATE senders SET name = ?2 WHERE id = ?1", (sender, name))


def mark_owner(
    connection: sqlite3.Connection, source: int, origin: Origin, flagged: list[int]
) -> tuple[str | None, list[str]]:
    """Mark whose export it is. Returns the owner's name and what went wrong."""

    def ids(sql: str, *parameters: object) -> list[int]:
        return [row[0] for row in connection.execute(sql, parameters)]

    before = ids("SELECT id FROM senders WHERE source = ? AND is_owner", source)
    named = "SELECT id FROM senders WHERE source = ? AND name = ?"
    owners, warnings = set(flagged), []
    if origin.owner is not None:
        for sender in flagged:
            rename(connection, sender, origin.owner)
        owners.update(ids(named, source, origin.owner))
        if not owners:
            names = [
                row[0] for row in connection.execute("SELECT name FROM senders WHERE source = ?", (source,))
            ]
            warnings.append(
                f'No sender is called "{origin.owner}", so nobody is marked as the owner.'
                f" {nearest(origin.owner, names)}".rstrip()
            )
            owners.update(before)
    else:
        # What the user once said stays, where the export says nothing else.
        owners.update(before or (ids(named, source, origin.found) if origin.found else []))
    connection.execute("UPDATE senders SET is_owner = 0 WHERE source = ?", (source,))
    for sender in sorted(owners):
        connection.execute("UPDATE senders SET is_owner = 1 WHERE id = ?", (sender,))
        if sender not in before:
            _join_owner(connection, sender)
    connection.execute(MARK_OWNERS)
    for statement in (NAMED_ELSEWHERE, *TAKE_OVER_NAME):
        connection.execute(statement)
    row = connection.execute(
        "SELECT min(name) FROM senders WHERE source = ? AND is_owner", (source,)
    ).fetchone()
    return row[0], warnings


def _join_owner(connection: sqlite3.Connection, sender: int) -> None:
    """Owners of one name, in this source or another, are one person."""
    row = connection.execute(OTHER_OWNER, (sender,)).fetchone()
    if row is not None:
        for statement in JOIN_PEOPLE:
            connection.execute(statement, {"keep": row[0], "other": row[1]})
