"""Who may be the same person under two names. Only asked: nobody is joined by it.

Found among the senders, the titles and who takes part; no message is read. What a person once
called different is never suggested again.
"""

from __future__ import annotations

import asyncio
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations

import msgspec

from engine.archive.rows import PersonRow
from engine.archive.studio import Studio

FEWEST_DIGITS = 7
"""A shorter number is a short code or a year, and names nobody."""
MOST_ALIKE = 8
"""People of one name or number that are compared with one another."""

SENDERS = """
SELECT s.id, s.person, source.name, s.key, s.name, s.is_owner
FROM senders s JOIN sources source ON source.id = s.source ORDER BY s.id
"""
# The only one beside the owner in a direct conversation, with its title.
COUNTERPARTS = """
SELECT min(s.person), source.name, c.title FROM conversations c
JOIN sources source ON source.id = c.source
JOIN participants x ON x.conversation = c.id JOIN senders s ON s.id = x.sender
WHERE NOT c.is_group AND c.title <> '' AND NOT s.is_owner
GROUP BY c.id HAVING count(DISTINCT s.person) = 1
"""
# Who is in the groups whose title stands in more than one source.
GROUPS = """
SELECT c.id, c.source, c.title, s.person, s.name FROM conversations c
JOIN participants x ON x.conversation = c.id JOIN senders s ON s.id = x.sender
WHERE c.is_group AND NOT s.is_owner AND c.title <> '' AND c.title IN (
    SELECT title FROM conversations WHERE is_group GROUP BY title HAVING count(DISTINCT source) > 1)
"""


class Suggestion(msgspec.Struct, frozen=True):
    """keep: whose name stays when `other` is joined to it. reason: a few words."""

    keep: PersonRow
    other: PersonRow
    reason: str


class _Sender(msgspec.Struct, frozen=True):
    id: int
    person: int
    source: str
    key: str
    name: str
    is_owner: bool


async def suggestions(studio: Studio, people: Sequence[PersonRow]) -> list[Suggestion]:
    """Who of `people` (everybody) may be the same, each two once, who wrote most first."""
    senders = await studio.rows(lambda *row: _Sender(*row), SENDERS)
    titles = await studio.rows(lambda *row: row, COUNTERPARTS)
    groups = await studio.rows(lambda *row: row, GROUPS)
    different = await studio.rows(lambda *row: row, "SELECT sender, other FROM different")
    return await asyncio.to_thread(_suggestions, people, senders, titles, groups, different)


async def call_different(studio: Studio, one: int, other: int, different: bool = True) -> None:
    """Remember that two people are not the same, or that they may be after all."""
    pairs = (
        "SELECT min(a.id, b.id), max(a.id, b.id) FROM senders a JOIN senders b"
        " WHERE a.person = ? AND b.person = ?"
    )
    async with studio.writing() as connection:
        await connection.execute(
            f"INSERT OR IGNORE INTO different {pairs}"
            if different
            else f"DELETE FROM different WHERE (sender, other) IN ({pairs})",  # noqa: S608
            (one, other),
        )


def address(text: str) -> str:
    """One spelling of a phone number (digits without leading zeros) or an e-mail address, "" for neither."""
    text = text.strip().casefold()
    if re.fullmatch(r"[^\s@]+@[^\s@]+\.[^\s@]+", text):
        return text
    if not re.fullmatch(r"[+\d\s().\-/\u00a0]+", text):
        return ""
    digits = re.sub(r"\D", "", text).lstrip("0")
    return digits if len(digits) >= FEWEST_DIGITS else ""


def _suggestions(
    people: Sequence[PersonRow],
    senders: Sequence[_Sender],
    titles: Iterable[tuple[int, str, str]],
    groups: Iterable[tuple[int, int, str, int, str]],
    different: Iterable[tuple[int, int]],
) -> list[Suggestion]:
    rows = {person.id: person for person in people}
    person_of = {sender.id: sender.person for sender in senders}
    apart = {frozenset((person_of[a], person_of[b])) for a, b in different if {a, b} <= person_of.keys()}
    found: dict[frozenset[int], Suggestion] = {}
    candidates = (
        *_of_one_address(senders),
        *_owners(rows),
        *_of_one_name(senders, rows),
        *_counterparts(senders, titles),
        *_odd_ones_out(groups),
    )
    for one, other, reason in candidates:
        pair = frozenset((one, other))
        if len(pair) == 2 and pair not in apart and pair not in found and pair <= rows.keys():
            keep, second = sorted((rows[one], rows[other]), key=_standing)
            found[pair] = Suggestion(keep, second, reason)
    return sorted(found.values(), key=lambda two: -two.keep.messages - two.other.messages)


Candidate = tuple[int, int, str]


def _standing(person: PersonRow) -> tuple[bool, int, int]:
    """A name is better than a number, and who wrote more before who wrote less."""
    return bool(address(person.name)), -person.messages, person.id


def _of_one_address(senders: Sequence[_Sender]) -> Iterator[Candidate]:
    """The same e-mail address, or one number that ends on the other: with and without its country."""
    ends: dict[str, dict[tuple[int, str], None]] = defaultdict(dict)
    for sender in senders:
        for text in (sender.key, sender.name):
            if written := address(text):
                end = written if "@" in written else written[-FEWEST_DIGITS:]
                ends[end][sender.person, written] = None
    for end, known in ends.items():
        for (one, first), (other, second) in combinations(list(known)[:MOST_ALIKE], 2):
            if first.endswith(second) or second.endswith(first):
                yield one, other, "same address" if "@" in end else "same number"


def _owners(rows: dict[int, PersonRow]) -> Iterator[Candidate]:
    owners = [person for person in rows.values() if person.is_owner]
    for one, other in combinations(owners[:MOST_ALIKE], 2):
        yield one.id, other.id, "each the owner of an export"


def _of_one_name(senders: Sequence[_Sender], rows: dict[int, PersonRow]) -> Iterator[Candidate]:
    """In two sources; or in one, where an address book gave two addresses the name."""
    by_name: dict[str, dict[int, list[_Sender]]] = defaultdict(lambda: defaultdict(list))
    for sender in senders:
        name = _folded(sender.name)
        if name and not address(name):
            by_name[name][sender.person].append(sender)
    for known in by_name.values():
        most = sorted(known, key=lambda person: -rows[person].messages if person in rows else 0)
        for one, other in combinations(most[:MOST_ALIKE], 2):
            shared = {s.source for s in known[one]} & {s.source for s in known[other]}
            if not shared:
                yield one, other, "same name"
            elif all(address(s.key) for s in (*known[one], *known[other]) if s.source in shared):
                yield one, other, "same name, two addresses"


def _counterparts(senders: Sequence[_Sender], titles: Iterable[tuple[int, str, str]]) -> Iterator[Candidate]:
    """Who alone talks with the owner under a title that is a title or a name in another source."""
    titled: dict[str, dict[tuple[int, str], None]] = defaultdict(dict)
    for person, source, title in titles:
        titled[_folded(title)][person, source] = None
    named: dict[str, dict[tuple[int, str], None]] = defaultdict(dict)
    for sender in senders:
        if (name := _folded(sender.name)) in titled:
            named[name][sender.person, sender.source] = None
    for title, known in titled.items():
        some = list(known)[:MOST_ALIKE]
        for one, there in some:
            for other, elsewhere in dict.fromkeys((*some, *list(named[title])[:MOST_ALIKE])):
                if there != elsewhere:
                    yield one, other, "same conversation with you"


def _odd_ones_out(groups: Iterable[tuple[int, int, str, int, str]]) -> Iterator[Candidate]:
    """In two groups of one title in two sources, the one person on each side whose name is not in both."""
    found: dict[str, dict[tuple[int, int], dict[str, int]]] = defaultdict(lambda: defaultdict(dict))
    for conversation, source, title, person, name in groups:
        found[title][source, conversation][_folded(name)] = person
    for known in found.values():
        for ((source, _), one), ((elsewhere, _), other) in combinations(list(known.items())[:MOST_ALIKE], 2):
            here, there = one.keys() - other.keys(), other.keys() - one.keys()
            if source != elsewhere and len(here) == len(there) == 1 and one.keys() & other.keys():
                yield one[here.pop()], other[there.pop()], "same place in a group"


def _folded(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())
