"""Read what was imported: conversations, messages, and where they stand."""

# ruff: noqa: S608 - statements are put together from this module's own words; every value is a parameter

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec

from engine.archive.matching import like_pattern, matching
from engine.archive.query import parse
from engine.archive.rows import ConversationRow, Counts, Dialogue, MessageRow, Quote, SourceRow
from engine.archive.studio import Studio
from engine.conversation import Attachment, Edit, Kind, Reaction
from engine.errors import StudioError

Order = Literal["newest", "title", "messages"]

ORDERS: dict[Order, str] = {
    "newest": "c.last DESC NULLS LAST, c.id",
    "title": "c.title COLLATE NOCASE, c.id",
    "messages": "c.messages DESC, c.id",
}
QUOTED = 200  # letters of what a message answers
CONVERSATION = """
SELECT c.id, c.title, source.name, c.is_group, c.section, c.messages, c.first, c.last, (
    SELECT json_group_array(json_array(id, name)) FROM (
        SELECT p.id, p.name, min(x.place) AS place FROM participants x
        JOIN senders s ON s.id = x.sender JOIN people p ON p.id = s.person
        WHERE x.conversation = c.id GROUP BY p.id ORDER BY place)),
    c.left_out, (
    SELECT json_group_array(json_array(id, name)) FROM (
        SELECT DISTINCT p.id, p.name FROM participants x
        JOIN senders s ON s.id = x.sender JOIN people p ON p.id = s.person
        WHERE x.conversation = c.id AND x.left_out ORDER BY p.name))
FROM conversations c JOIN sources source ON source.id = c.source
"""
WITH = (
    "c.id IN (SELECT x.conversation FROM senders s JOIN participants x ON x.sender = s.id WHERE s.person = ?)"
)
MESSAGE = (
    "m.id, m.conversation, p.name, p.id, m.time, m.text, m.kind, m.reactions, m.attachments,"
    " m.reply_to, m.edited, p.is_owner, m.edits,"
    " (SELECT q.name FROM messages t JOIN senders w ON w.id = t.sender JOIN people q ON q.id = w.person"
    f" WHERE t.id = m.reply_to), (SELECT substr(t.text, 1, {QUOTED}) FROM messages t WHERE t.id = m.reply_to)"
)
WRITER = "JOIN senders s ON s.id = m.sender JOIN people p ON p.id = s.person"
SPOKEN = "m.time, m.seq, m.id"
NEWEST_FIRST = "m.time DESC, m.seq DESC, m.id DESC"


async def sources(studio: Studio) -> list[SourceRow]:
    """Every source, the latest import first."""
    return await studio.rows(
        SourceRow,
        "SELECT s.id, s.name, s.importer, s.path, s.imported_at,"
        " (SELECT coalesce(sum(messages), 0) FROM conversations c WHERE c.source = s.id),"
        " (SELECT min(name) FROM senders o WHERE o.source = s.id AND o.is_owner),"
        " s.asked FROM sources s ORDER BY s.imported_at DESC, s.id DESC",
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
    studio: Studio,
    *,
    search: str | None = None,
    source: str | None = None,
    person: int | None = None,
    order: Order = "newest",
) -> list[ConversationRow]:
    """The conversations of `source`, with `person` (of and with all if None), whose title, people or
    speech hold `search`."""
    conditions, parameters = ["true"], list[Any]()
    if person is not None:
        conditions.append(WITH)
        parameters.append(person)
    if source is not None:
        conditions.append("source.name = ?")
        parameters.append(source)
    if search is not None and search.strip():
        id, said, values = matching(parse(search, datetime.now()))
        like = like_pattern(search.replace("\0", " ").strip())
        conditions.append(
            "(c.title LIKE ? ESCAPE '\\' OR c.id IN (SELECT conversation FROM messages WHERE id IN"
            f" (SELECT {id} FROM {said}))"
            " OR EXISTS (SELECT 1 FROM participants x JOIN senders s ON s.id = x.sender"
            " JOIN people p ON p.id = s.person WHERE x.conversation = c.id"
            " AND (p.name LIKE ? ESCAPE '\\' OR s.name LIKE ? ESCAPE '\\')))"
        )
        parameters += [like, *values, like, like]
    sql = f"{CONVERSATION} WHERE {' AND '.join(conditions)} ORDER BY {ORDERS[order]}"
    return await studio.rows(_conversation, sql, parameters)


async def newest_with(studio: Studio, people: Sequence[int], *, limit: int) -> list[int]:
    """Ids of the conversations in which all of `people` take part and none of them is left out, the
    direct ones first, then the newest. Reads no message."""
    first, *others = people
    also = (
        " AND c.id IN (SELECT y.conversation FROM senders t JOIN participants y ON y.sender = t.id"
        " WHERE t.person = ? AND NOT y.left_out)"
    ) * len(others)
    return await studio.rows(
        int,
        "SELECT c.id FROM senders s JOIN participants x ON x.sender = s.id"
        " JOIN conversations c ON c.id = x.conversation"
        f" WHERE s.person = ? AND NOT x.left_out AND NOT c.left_out AND c.messages{also}"
        " GROUP BY c.id ORDER BY c.is_group, c.last DESC LIMIT ?",
        (first, *others, limit),
    )


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
        rows = await studio.rows(message_row, sql, (conversation, -1 if limit is None else limit))
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


async def page(
    studio: Studio,
    conversation: int,
    *,
    offset: int,
    limit: int,
    total: int | None = None,
    known: tuple[int, int] | None = None,
) -> list[MessageRow]:
    """`limit` messages of a conversation in spoken order, from the `offset`-th on (the first is 0).

    total: how many there are. known: (index, id) of one of them. With either a page far from the first
    message costs no more than its way from there.
    """
    ways = [(offset, "")]
    if total is not None:
        ways.append((abs(total - offset), "end"))
    if known is not None:
        ways.append((abs(known[0] - offset), "known"))
    # The inner queries walk the index alone.
    walk = "SELECT id FROM messages m WHERE conversation = ?1 {} ORDER BY {} LIMIT {} OFFSET {}"
    here = "(SELECT time, seq, id FROM messages WHERE id = ?2)"
    from_here, until_here = f"AND ({SPOKEN}) >= {here}", f"AND ({SPOKEN}) < {here}"
    parameters: tuple[int, ...] = (conversation,)
    match min(ways)[1]:
        case "end":
            before = (total or 0) - offset
            window = walk.format("", NEWEST_FIRST, max(0, min(limit, before)), max(0, before - limit))
        case "known" if known is not None:
            parameters, before = (conversation, known[1]), known[0] - offset
            window = walk.format(from_here, SPOKEN, max(0, limit - max(0, before)), max(0, -before))
            if before > 0:
                earlier = walk.format(until_here, NEWEST_FIRST, min(limit, before), max(0, before - limit))
                window = f"SELECT id FROM ({earlier}) UNION ALL SELECT id FROM ({window})"
        case _:
            window = walk.format("", SPOKEN, limit, offset)
    return await studio.rows(
        message_row,
        f"SELECT {MESSAGE} FROM ({window}) window CROSS JOIN messages m ON m.id = window.id {WRITER}"
        f" ORDER BY {SPOKEN}",
        parameters,
    )


async def position(studio: Studio, message: int) -> int:
    """The index of a message inside its conversation. Raises StudioError where there is none."""
    found = await studio.rows(
        int,
        # Two counts, of which the long one looks at nothing but the index, from its nearer end.
        "SELECT CASE WHEN x.time - c.first < c.last - x.time"
        " THEN (SELECT count(*) FROM messages m WHERE m.conversation = x.conversation AND m.time < x.time)"
        " ELSE c.messages -"
        " (SELECT count(*) FROM messages m WHERE m.conversation = x.conversation AND m.time >= x.time) END"
        " + (SELECT count(*) FROM messages m WHERE m.conversation = x.conversation AND m.time = x.time"
        " AND (m.seq, m.id) < (x.seq, x.id))"
        " FROM messages x JOIN conversations c ON c.id = x.conversation WHERE x.id = ?",
        (_integer(message),),
    )
    if not found:
        raise StudioError(f"There is no message {message}.", "`understudy show` prints the ids of messages.")
    return found[0]


async def message_at(studio: Studio, conversation: int, time: int) -> int | None:
    """A conversation's first message at `time` (UTC ms) or later, its last where all are earlier, None where
    there is none."""
    for some, order in (("time >= ?2", SPOKEN), ("time < ?2", NEWEST_FIRST)):
        found = await studio.rows(
            int,
            f"SELECT id FROM messages m WHERE conversation = ?1 AND {some} ORDER BY {order} LIMIT 1",
            (conversation, time),
        )
        if found:
            return found[0]
    return None


async def dialogues(studio: Studio) -> AsyncIterator[Dialogue]:
    """Every conversation with all its messages in spoken order, the oldest import first.

    What is left out is among them: PersonRow.role, ConversationRow.left_out and .without say what that is.
    """
    for row in await studio.rows(_conversation, f"{CONVERSATION} ORDER BY c.id"):
        yield Dialogue(row, await messages(studio, row.id))


def _integer(value: int) -> int:
    """A number that SQLite can hold; one beyond names nothing anyway."""
    return max(-(1 << 63), min(value, (1 << 63) - 1))


_edits = msgspec.json.Decoder(tuple[Edit, ...])
_people = msgspec.json.Decoder(tuple[tuple[int, str], ...])
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
    left_out: int,
    without: str,
) -> ConversationRow:
    everybody = _people.decode(people)
    return ConversationRow(
        id,
        title,
        source,
        "group" if is_group else "direct",
        section,
        tuple(name for _, name in everybody),
        messages,
        first,
        last,
        bool(left_out),
        _people.decode(without) if without != "[]" else (),
        tuple(id for id, _ in everybody),
    )


def message_row(
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
    edits: str | None,
    answered: str | None,
    quoted: str | None,
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
        _edits.decode(edits) if edits else (),
        Quote(answered, quoted or "") if answered is not None else None,
    )
