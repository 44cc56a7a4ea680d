"""Read what was imported: conversations, messages, and a search through all that was said."""

# ruff: noqa: S608 - statements are put together from this module's own words; every value is a parameter

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any, Literal

import msgspec

from engine.archive.rows import ConversationRow, Counts, Dialogue, Hit, MessageRow, SourceRow
from engine.archive.studio import Studio
from engine.conversation import Attachment, Kind, Reaction
from engine.errors import StudioError

Order = Literal["newest", "title", "messages"]

ORDERS: dict[Order, str] = {
    "newest": "c.last DESC NULLS LAST, c.id",
    "title": "c.title COLLATE NOCASE, c.id",
    "messages": "c.messages DESC, c.id",
}
CONVERSATION = """
SELECT c.id, c.title, source.name, c.is_group, c.section, c.messages, c.first, c.last, (
    SELECT json_group_array(name) FROM (
        SELECT p.name, min(x.place) AS place FROM participants x
        JOIN senders s ON s.id = x.sender JOIN people p ON p.id = s.person
        WHERE x.conversation = c.id GROUP BY p.id ORDER BY place))
FROM conversations c JOIN sources source ON source.id = c.source
"""
MESSAGE = (
    "m.id, m.conversation, p.name, p.id, m.time, m.text, m.kind, m.reactions, m.attachments,"
    " m.reply_to, m.edited, p.is_owner"
)
WRITER = "JOIN senders s ON s.id = m.sender JOIN people p ON p.id = s.person"
SPOKEN = "m.time, m.seq, m.id"
NEWEST_FIRST = "m.time DESC, m.seq DESC, m.id DESC"

# Written without spaces between words, or with endings grown onto them: found as parts of a text.
UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u1100-\u11ff\u3040-\u30ff\u3130-\u318f\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff]"
)
OPEN, CLOSE = "\x02", "\x03"  # around what FTS5 matched
AROUND = 40  # characters of a snippet on either side of the match


async def sources(studio: Studio) -> list[SourceRow]:
    """Every source, the latest import first."""
    return await studio.rows(
        SourceRow,
        "SELECT s.id, s.name, s.importer, s.path, s.imported_at,"
        " (SELECT coalesce(sum(messages), 0) FROM conversations c WHERE c.source = s.id),"
        " (SELECT min(name) FROM senders o WHERE o.source = s.id AND o.is_owner)"
        " FROM sources s ORDER BY s.imported_at DESC, s.id DESC",
    )


async def counts(studio: Studio) -> Counts:
    """How much there is of everything that was imported."""
    rows = await studio.rows(
        Counts,
        "SELECT count(*), coalesce(sum(messages), 0), (SELECT count(*) FROM people),"
        " (SELECT count(*) FROM sources) FROM conversations",
    )
    return rows[0]


async def conversations(
    studio: Studio, *, search: str | None = None, source: str | None = None, order: Order = "newest"
) -> list[ConversationRow]:
    """The conversations of `source` (every source if None) whose title, people or speech hold `search`."""
    conditions, parameters = ["true"], list[Any]()
    if source is not None:
        conditions.append("source.name = ?")
        parameters.append(source)
    if search is not None and search.strip():
        said, values = _said(search)
        like = _like(search.replace("\0", " ").strip())
        conditions.append(
            "(c.title LIKE ? ESCAPE '\\' OR c.id IN (SELECT m.conversation FROM"
            f" {said}) OR EXISTS (SELECT 1 FROM participants x JOIN senders s ON s.id = x.sender"
            " JOIN people p ON p.id = s.person WHERE x.conversation = c.id"
            " AND (p.name LIKE ? ESCAPE '\\' OR s.name LIKE ? ESCAPE '\\')))"
        )
        parameters += [like, *values, like, like]
    sql = f"{CONVERSATION} WHERE {' AND '.join(conditions)} ORDER BY {ORDERS[order]}"
    return await studio.rows(_conversation, sql, parameters)


async def conversation(studio: Studio, id: int) -> ConversationRow:
    """One conversation. Raises StudioError, naming the nearest, where there is none."""
    found = await studio.rows(_conversation, f"{CONVERSATION} WHERE c.id = ?", (_integer(id),))
    if found:
        return found[0]
    near = await studio.rows(
        lambda id, title: f'Did you mean {id} ("{title}")? ',
        "SELECT id, title FROM conversations ORDER BY abs(id - ?), id LIMIT 1",
        (_integer(id),),
    )
    hint = near[0] + "`understudy conversations` lists them all." if near else "Import an export first."
    raise StudioError(f"There is no conversation {id}.", hint)


async def messages(
    studio: Studio, conversation: int, *, around: int | None = None, limit: int | None = None
) -> list[MessageRow]:
    """Messages of a conversation in spoken order.

    All of them; with `limit` the newest; with `around` those about that message, half before it.
    Raises StudioError where `around` is no message of this conversation.
    """
    if around is None:
        sql = (
            f"SELECT {MESSAGE} FROM messages m {WRITER} WHERE m.conversation = ?"
            f" ORDER BY {NEWEST_FIRST} LIMIT ?"
        )
        rows = await studio.rows(_message, sql, (conversation, -1 if limit is None else limit))
        rows.reverse()
        return rows
    place = await position(studio, around)
    if limit is None:
        rows = await page(studio, conversation, offset=0, limit=-1)
    else:
        rows = await page(studio, conversation, offset=max(0, place - limit // 2), limit=limit)
    if all(row.id != around for row in rows):
        raise StudioError(
            f"Message {around} is not in conversation {conversation}.",
            f"`understudy show {conversation}` shows all of it.",
        )
    return rows


async def page(studio: Studio, conversation: int, *, offset: int, limit: int) -> list[MessageRow]:
    """`limit` messages of a conversation in spoken order, from the `offset`-th on (the first is 0)."""
    # The inner query walks the index alone, so that a far page costs little.
    sql = (
        f"SELECT {MESSAGE} FROM (SELECT id FROM messages m WHERE conversation = ? ORDER BY {SPOKEN}"
        f" LIMIT ? OFFSET ?) window CROSS JOIN messages m ON m.id = window.id {WRITER} ORDER BY {SPOKEN}"
    )
    return await studio.rows(_message, sql, (conversation, limit, offset))


async def position(studio: Studio, message: int) -> int:
    """The index of a message inside its conversation. Raises StudioError where there is none."""
    found = await studio.rows(
        int,
        "SELECT (SELECT count(*) FROM messages m WHERE m.conversation = x.conversation"
        " AND (m.time, m.seq, m.id) < (x.time, x.seq, x.id)) FROM messages x WHERE x.id = ?",
        (_integer(message),),
    )
    if not found:
        raise StudioError(f"There is no message {message}.", "`understudy show` prints the ids of messages.")
    return found[0]


async def place_at(studio: Studio, conversation: int, time: int) -> int:
    """The index of a conversation's first message at `time` (UTC ms) or later, of its last where all are
    earlier."""
    found = await studio.rows(
        int,
        "SELECT min(count(*), (SELECT messages - 1 FROM conversations WHERE id = ?1)) FROM messages"
        " WHERE conversation = ?1 AND time < ?2",
        (conversation, time),
    )
    return found[0]


async def search(studio: Studio, text: str, *, limit: int = 200) -> list[Hit]:
    """Where all words of `text` were said, the best match first; the last word may be incomplete.

    Any text is safe. Words in scripts without spaces, and signs such as emoji, are found as they
    stand; where there are only such, the newest message comes first.
    """
    words, signs = _split(text)
    if not words and not signs:
        return []
    said, values = _said(text)
    marked = "snippet(speech_index, 0, ?, ?, '…', 16)" if words else "NULL"
    order = "speech_index.rank" if words else NEWEST_FIRST
    sql = f"SELECT {MESSAGE}, c.title, {marked} FROM {said} ORDER BY {order} LIMIT ?"
    pattern = re.compile("|".join(map(re.escape, signs)), re.IGNORECASE)

    def hit(*columns: Any) -> Hit:
        *message, title, snippet = columns
        row = _message(*message)
        return Hit(row, title, _marked(snippet) if snippet is not None else _around(pattern, row.text))

    return await studio.rows(hit, sql, [*((OPEN, CLOSE) if words else ()), *values, limit])


async def dialogues(studio: Studio) -> AsyncIterator[Dialogue]:
    """Every conversation with all its messages in spoken order, the oldest import first.

    Left-out people's messages are among them: PersonRow.role says whose those are.
    """
    for row in await studio.rows(_conversation, f"{CONVERSATION} ORDER BY c.id"):
        yield Dialogue(row, await messages(studio, row.id))


def _said(text: str) -> tuple[str, list[str]]:
    """FROM and WHERE for the messages `m` (writer s, p; conversation c) in which `text` was said."""
    words, signs = _split(text)
    tables, conditions, values = "messages m", ["m.kind = 'speech'"], list[str]()
    if words:
        tables = "speech_index CROSS JOIN messages m ON m.id = speech_index.rowid"
        conditions = ["speech_index MATCH ?"]
        # A word in quotes is never an operator; the star makes the last one a beginning.
        values.append(" ".join('"' + word.replace('"', '""') + '"' for word in words) + "*")
    elif not signs:
        conditions.append("false")
    conditions += ["m.text LIKE ? ESCAPE '\\'"] * len(signs)
    values += map(_like, signs)
    joins = f"{WRITER} JOIN conversations c ON c.id = m.conversation"
    return f"{tables} {joins} WHERE {' AND '.join(conditions)}", values


def _split(text: str) -> tuple[list[str], list[str]]:
    """What the index can find, and what must be looked for letter by letter."""
    words, signs = list[str](), list[str]()
    for word in text.encode("utf-8", "replace").decode().replace("\0", " ").split():
        indexed = any(letter.isalnum() for letter in word) and not UNSPACED.search(word)
        (words if indexed else signs).append(word)
    return words, signs


def _like(text: str) -> str:
    return "%" + re.sub(r"([\\%_])", r"\\\1", text) + "%"


def _marked(snippet: str) -> tuple[tuple[str, bool], ...]:
    pieces, matched = list[tuple[str, bool]](), False
    for piece in re.split(f"([{OPEN}{CLOSE}])", snippet):
        if piece in (OPEN, CLOSE):
            matched = piece == OPEN
        elif piece:
            pieces.append((piece, matched))
    return tuple(pieces)


def _around(pattern: re.Pattern[str], text: str) -> tuple[tuple[str, bool], ...]:
    first = pattern.search(text)
    if first is None:  # cannot be: SQLite found it; but a snippet is not worth an error
        return ((text[: 2 * AROUND], False),)
    start, end = max(0, first.start() - AROUND), first.end() + AROUND
    pieces, at = [("…", False)] if start else list[tuple[str, bool]](), start
    for match in pattern.finditer(text, start, min(end, len(text))):
        pieces += [(text[at : match.start()], False), (match.group(), True)]
        at = match.end()
    pieces += [(text[at:end], False), ("…" if end < len(text) else "", False)]
    return tuple(piece for piece in pieces if piece[0])


def _integer(value: int) -> int:
    """A number that SQLite can hold; one beyond names nothing anyway."""
    return max(-(1 << 63), min(value, (1 << 63) - 1))


_names = msgspec.json.Decoder(tuple[str, ...])
_reactions = msgspec.json.Decoder(tuple[Reaction, ...])
_attachments = msgspec.json.Decoder(tuple[Attachment, ...])
_kinds = {kind.value: kind for kind in Kind}


def _conversation(
    id: int,
    title: str,
    source: str,
    is_group: int,
    section: str,
    messages: int,
    first: int | None,
    last: int | None,
    people: str,
) -> ConversationRow:
    kind: Literal["direct", "group"] = "group" if is_group else "direct"
    return ConversationRow(id, title, source, kind, section, _names.decode(people), messages, first, last)


def _message(
    id: int,
    conversation: int,
    sender: str,
    person: int,
    time: int,
    text: str,
    kind: str,
    reactions: str,
    attachments: str,
    reply_to: int | None,
    edited: int,
    is_owner: int,
) -> MessageRow:
    return MessageRow(
        id,
        conversation,
        sender,
        person,
        time,
        text,
        _kinds[kind],
        _reactions.decode(reactions) if reactions else (),
        _attachments.decode(attachments) if attachments else (),
        reply_to,
        bool(edited),
        bool(is_owner),
    )
