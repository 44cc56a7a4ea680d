"""A query as FROM and WHERE of a statement."""

from __future__ import annotations

import re
from typing import Any

from engine.archive.query import Query, folded_name

SPEECH = "m.kind = 'speech'"


def matching(query: Query) -> tuple[str, str, list[Any]]:
    """The speech that a query finds: the column of a message's id, FROM with WHERE, and the parameters.

    Where the index alone can answer it, `messages m` is not among the tables.
    """
    indexed = [term.indexed for term in query.terms if term.indexed]
    conditions, values = list[str](), list[Any]()
    for term in query.terms:
        if not term.indexed:
            conditions.append("m.text LIKE ? ESCAPE '\\'")
            values.append(like_pattern(term.text))
    if query.sender:
        conditions.append(
            "m.sender IN (SELECT w.id FROM senders w JOIN people q ON q.id = w.person"
            " WHERE folded_name(w.name) LIKE ? ESCAPE '\\' OR folded_name(q.name) LIKE ? ESCAPE '\\')"
        )
        values += [like_pattern(folded_name(query.sender))] * 2
    if query.title:
        conditions.append(
            "m.conversation IN (SELECT id FROM conversations WHERE folded_name(title) LIKE ? ESCAPE '\\')"
        )
        values.append(like_pattern(folded_name(query.title)))
    for sign, time in ((">=", query.since), ("<", query.until)):
        if time is not None:
            conditions.append(f"m.time {sign} ?")
            values.append(time)
    if not query:
        return "m.id", "messages m WHERE false", []
    if not indexed:
        return "m.id", f"messages m WHERE {' AND '.join([SPEECH, *conditions])}", values
    joined = " CROSS JOIN messages m ON m.id = speech_index.rowid" if conditions else ""
    found = " AND ".join(["speech_index MATCH ?", *conditions])
    return "speech_index.rowid", f"speech_index{joined} WHERE {found}", [" ".join(indexed), *values]


def like_pattern(text: str) -> str:
    return "%" + re.sub(r"([\\%_])", r"\\\1", text) + "%"
