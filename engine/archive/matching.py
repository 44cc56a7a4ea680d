"""A query as FROM and WHERE of a statement."""

# ruff: noqa: S608 - statements are put together from this module's own words; every value is a parameter

from __future__ import annotations

import re
from typing import Any

from engine.archive.query import Query, folded_name

SPEECH = "m.kind = 'speech'"
TITLED = "folded_name(title) LIKE ? ESCAPE '\\'"


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
        called, names = _called(query.sender)
        conditions.append(f"m.sender IN ({called})")
        values += names
    if query.title:
        conditions.append(f"m.conversation IN (SELECT id FROM conversations WHERE {TITLED})")
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


def conversations_of(query: Query) -> tuple[str, list[Any]]:
    """Where `conversations c` can hold what a query finds: a condition, and its parameters."""
    conditions, values = ["c.messages"], list[Any]()
    if query.sender:
        called, values = _called(query.sender)
        conditions.append(f"c.id IN (SELECT x.conversation FROM participants x WHERE x.sender IN ({called}))")
    if query.title:
        conditions.append(TITLED)
        values.append(like_pattern(folded_name(query.title)))
    for condition, time in (("c.last >= ?", query.since), ("c.first < ?", query.until)):
        if time is not None:
            conditions.append(condition)
            values.append(time)
    return " AND ".join(conditions), values


def _called(name: str) -> tuple[str, list[Any]]:
    """The ids of the senders of a name, or of a person who has it; `me` is whose the exports are."""
    people = "SELECT w.id FROM senders w JOIN people q ON q.id = w.person WHERE"
    if name.casefold() == "me":
        return f"{people} q.is_owner", []
    called = f"{people} folded_name(w.name) LIKE ? ESCAPE '\\' OR folded_name(q.name) LIKE ? ESCAPE '\\'"
    return called, [like_pattern(folded_name(name))] * 2


def like_pattern(text: str) -> str:
    return "%" + re.sub(r"([\\%_])", r"\\\1", text) + "%"
