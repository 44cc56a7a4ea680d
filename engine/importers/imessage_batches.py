"""The lines of a conversation a batch at a time, column by column: many times as fast as one by one.

What is not quite regular is left to `imessage_lines`, which finds the same and bears everything.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_left
from collections.abc import Sequence
from contextlib import suppress
from itertools import compress
from typing import Any

from engine.conversation import Kind, Message
from engine.importers import typedstream
from engine.importers.imessage_chats import Thread
from engine.importers.imessage_columns import Columns
from engine.importers.imessage_lines import Read, given, message, said
from engine.importers.imessage_noted import left_out, place
from engine.importers.imessage_people import ME, People
from engine.importers.imessage_queries import Line, Queries, batches, whole
from engine.importers.imessage_rows import APP, EPOCH, FIRST_NANOSECONDS, OBJECT, is_reaction
from engine.importers.report import Example, ImportReport

_CODE = b"OneTimeCode"


def read_batches(
    connection: sqlite3.Connection, ask: Queries, thread: Thread, people: People, report: ImportReport
) -> Read | None:
    """The messages as they stand; None, and nothing counted, where they must be read one by one."""
    if thread.members == (ME,):  # most of them come twice
        return None
    reading = _Reading(connection, ask, thread, people, bool(report.room("recovered")))
    if not all(map(reading.take, batches(connection, ask, thread.rows))) or reading.any_key_twice():
        return None
    report.add(reading.report)
    return reading.read


class _Reading:
    """One conversation being read. noting: whether rows recovered from attributedBody are to be noted."""

    def __init__(
        self, connection: sqlite3.Connection, ask: Queries, thread: Thread, people: People, noting: bool
    ) -> None:
        self.report = ImportReport()
        self.read = Read(Columns(), [], {member: people.sender(member) for member in thread.members})
        self._connection = connection
        self._ask = ask
        self._members = thread.members
        self._people = people
        self._noting = noting
        self._writers = _Writers(people, thread.members)
        self._left_out: set[str] = set()

    def take(self, batch: list[Line]) -> bool:
        """False where these lines are not for here."""
        numbers, guids, texts, bodies, handles, dates, mines, refers, marks = zip(*batch, strict=True)
        if set(map(type, dates)) != {int} or min(dates) < FIRST_NANOSECONDS:
            return False
        codec, writers, columns, counted = self._ask.codec, self._writers, self.read.columns, self.report
        keys, spoken = _decoded(guids, codec), _decoded(texts, codec)
        if "" in keys:
            keys = [key or f"row {number}" for key, number in zip(keys, numbers, strict=True)]
        empty = [n for n, text in enumerate(spoken) if not text]
        for n in empty:
            if body := bodies[n]:
                spoken[n] = typedstream.text(body) or ""
        times = [EPOCH + date // 1_000_000 for date in dates]
        senders = [ME if mine else writers[handle] for mine, handle in zip(mines, handles, strict=True)]
        odd = self._odd(numbers, spoken, bodies, marks)
        recovered = [n for n in empty if n not in odd]
        counted.recovered += len(recovered)
        counted.keep(Kind.SPEECH, len(batch) - len(odd))
        noted = [(n, spoken[n]) for n in recovered] if self._noting else []
        dropped: list[int] = []
        apart = [batch[n] for n in odd if not (marks[n] and is_reaction(marks[n]))]
        rows = whole(self._connection, self._ask, apart) if apart else {}
        for n in sorted(odd.union([n for n, referred in enumerate(refers) if referred])):
            line, at = batch[n], len(columns) + n - len(dropped)
            reply_to = line[7].decode(codec, "replace") if line[7] else None
            if n not in odd:
                columns.others[at] = Message(keys[n], senders[n], times[n], spoken[n], reply_to=reply_to)
                continue
            if line[8] and is_reaction(line[8]):
                who = self._people.of_row(line[6], line[4], self._members)
                self.read.reactions.append(given(self._connection, self._ask, line, who, times[n]))
                dropped.append(n)
                continue
            what = said(*rows[line[0]], self._people)
            if isinstance(what, str):
                counted.skip(what, example=left_out(line[0], times[n], line[2], line[3], codec))
                self._left_out.add(keys[n])
                dropped.append(n)
                continue
            counted.keep(what.kind)
            spoken[n] = what.text
            if what.recovered:
                counted.recovered += 1
                noted.append((n, what.text))
            columns.put(at, message(keys[n], senders[n], times[n], what, reply_to))
        for n, text in sorted(noted):
            counted.note("recovered", Example(place(numbers[n]), times[n], text))
        if dropped:
            gone = set(dropped)
            left = [n not in gone for n in range(len(batch))]
            keys, senders, times, spoken = (
                list(compress(column, left)) for column in (keys, senders, times, spoken)
            )
        columns.keys += keys
        columns.senders += senders
        columns.times += times
        columns.texts += spoken
        for key in dict.fromkeys(senders):
            if key not in self.read.senders:
                self.read.senders[key] = writers.senders[key]
        return True

    def any_key_twice(self) -> bool:
        """Equal only as text, or where damage changed one and no check saw it."""
        keys = set(self.read.columns.keys)
        return len(keys) < len(self.read.columns) or not keys.isdisjoint(self._left_out)

    def _odd(
        self, numbers: Sequence[int], spoken: list[str], bodies: Sequence[bytes | None], marks: Sequence[Any]
    ) -> set[int]:
        """The places of the lines that are more than text, or none. numbers: ascending."""
        odd = {n for n, mark in enumerate(marks) if mark}
        if not all(map(str.strip, spoken)):
            odd.update([n for n, text in enumerate(spoken) if not text.strip()])
        odd.update([n for n, text in enumerate(spoken) if OBJECT in text or APP in text])
        odd.update([bisect_left(numbers, number) for number in self._ask.carrying.intersection(numbers)])
        if _CODE in b"".join(filter(None, bodies)):
            odd.update([n for n, body in enumerate(bodies) if body and _CODE in body])
        return odd


class _Writers(dict[object, str]):
    """By handle the key of who wrote what is not the owner's. senders: who they are, by their keys."""

    def __init__(self, people: People, members: tuple[str, ...]) -> None:
        self.senders = {ME: people.me}
        self._people = people
        self._members = members

    def __missing__(self, handle: object) -> str:
        sender = self._people.of_row(0, handle, self._members)
        self.senders.setdefault(sender.key, sender)
        self[handle] = sender.key
        return sender.key


def _decoded(values: Sequence[bytes | None], codec: str) -> list[str]:
    """ "" for none."""
    if codec == "UTF-8":
        with suppress(UnicodeDecodeError):
            return [value.decode() if value else "" for value in values]
    return [value.decode(codec, "replace") if value else "" for value in values]
