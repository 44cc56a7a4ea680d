"""Search through all that was said."""

# ruff: noqa: S608 - statements are put together from this room's own words; every value is a parameter

from __future__ import annotations

from datetime import datetime
from typing import Any

from engine.archive.matching import conversations_of, matching
from engine.archive.query import Query, marks, parse
from engine.archive.reading import MESSAGE, WRITER, message_row
from engine.archive.rows import Hit
from engine.archive.studio import Studio

LIMIT = 200
AROUND = 40  # characters of a snippet on either side of the first match
BEGINNING = 2_000
"""Characters of a text in which a match is looked for before all of it is."""
RANKED = 16
"""Words by which hits are ranked at most. SQLite counts each of them in all that was said, in one step that
nothing can stop; and what holds more words than that is hardly there twice."""
FEW = 50_000
"""Messages of all the conversations that are meant, up to which it is worth to see where they stand."""


async def search(studio: Studio, text: str, *, limit: int = LIMIT) -> list[Hit]:
    """Where everything that `text` asks for (see `engine.archive.query`) was said, the best match first.

    Any text is safe. Where nothing of it is in the index (signs, or only from:, in:, before:, after:),
    the newest message comes first.
    """
    query = parse(text, datetime.now())
    if not query:
        return []
    words = sum(bool(term.indexed) for term in query.terms)
    order = "speech_index.rank, speech_index.rowid DESC" if words else "m.time DESC, m.seq DESC, m.id DESC"
    if words > RANKED:
        order = "speech_index.rowid DESC"
    return await _hits(studio, query, order, limit)


async def first_hits(studio: Studio, text: str, *, limit: int = LIMIT) -> list[Hit]:
    """`limit` hits that are found soonest, in no order that means something. Where fewer come there are
    no more. Ranking looks at every match first, which takes a while for a common word in a large studio."""
    query = parse(text, datetime.now())
    if not query:
        return []
    indexed = any(term.indexed for term in query.terms)
    return await _hits(studio, query, "speech_index.rowid DESC" if indexed else "m.id DESC", limit)


async def _hits(studio: Studio, query: Query, order: str, limit: int) -> list[Hit]:
    id, found, values = matching(query)
    if query.narrowed:
        within = await _within(studio, query)
        if within is None:
            return []
        found += f" AND {id} BETWEEN ? AND ?"
        values += within
    # Only what is shown is joined and drawn: the inner query orders ids alone.
    sql = (
        f"WITH hits AS MATERIALIZED (SELECT {id} AS id FROM {found} ORDER BY {order} LIMIT ?)"
        f" SELECT {MESSAGE}, c.title FROM hits CROSS JOIN messages m ON m.id = hits.id {WRITER}"
        " JOIN conversations c ON c.id = m.conversation"
    )

    def hit(*columns: Any) -> Hit:
        *message, title = columns
        row = message_row(*message)
        return Hit(row, title, snippet(query, row.text))

    return await studio.rows(hit, sql, [*values, limit])


async def _within(studio: Studio, query: Query) -> tuple[int, int] | None:
    """The first and the last id of a message in the conversations that are meant, or wider; None where none
    is meant. The index of all words takes longer to look through than the list of conversations."""
    conditions, values = conversations_of(query)
    some = "(SELECT {}(m.id) FROM messages m WHERE m.conversation IN (SELECT id FROM meant))"
    found = await studio.rows(
        lambda many, first, last: (first, last) if many else None,
        f"WITH meant AS MATERIALIZED (SELECT id, messages FROM conversations c WHERE {conditions}),"
        " size AS (SELECT total(messages) AS messages FROM meant)"
        f" SELECT messages, iif(messages > {FEW}, 0, {some.format('min')}),"
        f" iif(messages > {FEW}, {(1 << 63) - 1}, {some.format('max')}) FROM size",
        values,
    )
    return found[0]


def snippet(query: Query, text: str) -> tuple[tuple[str, bool], ...]:
    """The words around the first match: (text, whether it is what was asked for)."""
    found = marks(query.terms, text[:BEGINNING])
    if len(text) > BEGINNING and (not found or found[0][1] + AROUND >= BEGINNING):
        found = marks(query.terms, text)
    if not found:
        return ((text[: 2 * AROUND] + ("…" if len(text) > 2 * AROUND else ""), False),)
    start, end = max(0, found[0][0] - AROUND), min(len(text), found[0][1] + AROUND)
    pieces, at = [("…", False)] if start else list[tuple[str, bool]](), start
    for first, after in found:
        if after > end:
            break
        pieces += [(text[at:first], False), (text[first:after], True)]
        at = after
    pieces += [(text[at:end], False), ("…" if end < len(text) else "", False)]
    return tuple(piece for piece in pieces if piece[0])
