"""Messages on their way into the database: whole stretches of them as JSON that SQLite takes apart itself.

A row that is bound value by value costs Python more than all the rest of an import. A stretch as one
text costs it nothing; it may come from another process, and SQLite works on it while the next is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import compress
from operator import itemgetter
from typing import Any

import msgspec

from engine.conversation import (
    Attachment,
    Conversation,
    Edit,
    InBulk,
    Kind,
    Message,
    Reaction,
    Sender,
    Stretch,
)
from engine.indexed_text import indexed_texts

STRETCH = 5_000  # messages

SAMPLE_WORDS = (4, 30)

Cut = dict[int, str]
"""By place the texts whose indexed text is another (`engine.indexed_text`)."""
UNCUT = b"?"


class Figures(msgspec.Struct, gc=False, array_like=True):
    """Of some messages of one sender. sample: the line that says best how somebody talks, by its rank."""

    messages: int = 0
    words: int = 0
    first: int = 0
    last: int = 0
    rank: int = 0
    sample: str = ""

    def add(self, other: Figures) -> None:
        if not other.messages:
            return
        self.first = min(self.first, other.first) if self.messages else other.first
        self.last = max(self.last, other.last)
        self.messages += other.messages
        self.words += other.words
        if other.rank > self.rank:
            self.rank, self.sample = other.rank, other.sample


class Said(msgspec.Struct, gc=False, array_like=True):
    """Plain speech of one sender. texts: a JSON object of them by time or, if keyed, by `f"{time} {key}"`.
    cut: a JSON object, see Cut, or nothing; UNCUT where JSON cannot carry it to SQLite."""

    sender: str
    figures: Figures
    keyed: bool
    texts: bytes
    cut: bytes


class Others(msgspec.Struct, gc=False, array_like=True):
    """Any other messages of one sender. rows: (key, time, seq, kind, text, reactions, attachments, edited) as
    the database has them. cut: as in Said."""

    sender: str
    figures: Figures
    rows: list[tuple[str, int, int, str, str, str, str, int]]
    cut: bytes


class Packed(msgspec.Struct, gc=False, array_like=True):
    """Some messages of a conversation. replies: (key, key of what it answers). edits: (key, its Edits as
    JSON or, of one that was taken back, None)."""

    said: list[Said]
    others: list[Others]
    replies: list[tuple[str, str]]
    edits: list[tuple[str, str | None]]

    def figures(self) -> Iterator[tuple[str, Figures]]:
        """By the keys of the senders, of which one may come several times."""
        yield from ((one.sender, one.figures) for one in self.said)
        yield from ((one.sender, one.figures) for one in self.others)

    @property
    def messages(self) -> int:
        return sum(figures.messages for _, figures in self.figures())


class PackedConversation(msgspec.Struct):
    """A Conversation whose messages come packed; they are gone through once."""

    key: str
    title: str
    senders: tuple[Sender, ...]
    messages: Iterable[Packed]
    is_group: bool
    section: str
    also: str


def packed(conversation: Conversation) -> PackedConversation:
    """The conversation with its messages packed as they are asked for."""
    return PackedConversation(
        storable(conversation.key),
        storable(conversation.title),
        tuple(Sender(storable(one.key), storable(one.name), one.is_owner) for one in conversation.senders),
        map(pack, stretches(conversation.messages)),
        conversation.is_group,
        conversation.section,
        storable(conversation.also),
    )


def stretches(messages: Iterable[Message]) -> Iterator[Stretch]:
    """The messages of one conversation, at most STRETCH at a time where they do not come so already."""
    if isinstance(messages, InBulk):
        yield from messages.stretches()
        return
    speech, before, latest, seq = Kind.SPEECH, -1, -1, 0
    stretch, taken, keyed = Stretch({}, []), 0, False
    for message in messages:
        time = message.time
        seq = seq + 1 if time == before else 0
        if not stretch.said:
            keyed = bool(message.key)
        if (
            time <= latest
            or bool(message.key) is not keyed
            or message.kind is not speech
            or message.reactions
            or message.attachments
            or message.edited
            or message.edits
            or message.reply_to is not None
        ):
            stretch.others.append((seq, message))
        else:
            texts = stretch.said.get(message.sender)
            if texts is None:
                texts = stretch.said[message.sender] = {}
            texts[f"{time} {message.key}" if message.key else time] = message.text
        before = time
        if time > latest:  # where the clock went back, a millisecond may come once more
            latest = time
        taken += 1
        if taken >= STRETCH:
            yield stretch
            stretch, taken = Stretch({}, []), 0
    if taken:
        yield stretch


def pack(stretch: Stretch) -> Packed:
    """The stretch, ready for the database."""
    packed = Packed([], [], [], [])
    others: dict[str, list[tuple[int, Message]]] = {}
    for sender, texts in stretch.said.items():
        written = _json(texts)
        if written is not None:
            spoken = list(texts.values())
            keyed = isinstance(next(iter(texts)), str)
            figures = _figures_of_said(texts, spoken)
            packed.said.append(Said(storable(sender), figures, keyed, written, _cut(spoken)))
        else:
            others[sender] = [(0, message) for message in _messages(sender, texts)]
    for one in stretch.others:
        others.setdefault(one[1].sender, []).append(one)
    for sender, of_sender in others.items():
        _pack_others(sender, of_sender, packed)
    return packed


def _messages(sender: str, texts: dict[int | str, str]) -> Iterator[Message]:
    for label, text in texts.items():
        time, _, key = str(label).partition(" ")
        yield Message(key, sender, int(time), text)


def _pack_others(sender: str, others: list[tuple[int, Message]], packed: Packed) -> None:
    rows = [_row(seq, message) for seq, message in others]
    spoken = [(row[1], row[4]) for row in rows if row[3] == "speech"]
    times = [row[1] for row in rows]
    figures = Figures(len(rows), words(" ".join([text for _, text in spoken])), min(times), max(times))
    spoken.sort(key=itemgetter(0), reverse=True)
    _take_sample(figures, spoken)
    packed.others.append(
        Others(storable(sender), figures, rows, _cut([row[4] if row[3] == "speech" else "" for row in rows]))
    )
    for _, message in others:
        if message.reply_to is not None:
            packed.replies.append((storable(message.key), storable(message.reply_to)))
        if message.edits:
            edits = [Edit(storable(edit.text), edit.time) for edit in message.edits]
            packed.edits.append((storable(message.key), msgspec.json.encode(edits).decode()))
        elif message.key and message.kind is Kind.UNSENT:
            packed.edits.append((storable(message.key), None))


def _figures_of_said(texts: dict[int | str, str], spoken: list[str]) -> Figures:
    """Of one Stretch: the newest come last."""
    first, last = _time(next(iter(texts))), _time(next(reversed(texts)))
    figures = Figures(len(texts), words(" ".join(spoken)), first, last)
    _take_sample(figures, zip(map(_time, reversed(texts)), reversed(spoken), strict=True))
    return figures


def _take_sample(figures: Figures, spoken: Iterable[tuple[int, str]]) -> None:
    """spoken: times and texts, the newest first."""
    for time, text in spoken:
        if sample_rank(SAMPLE_WORDS[0], time) <= figures.rank:
            break
        here = words(text)
        rank = sample_rank(here, time)
        if here and rank > figures.rank:
            figures.rank, figures.sample = rank, text


def _time(label: int | str) -> int:
    return label if isinstance(label, int) else int(label.partition(" ")[0])


def words(text: str) -> int:
    return len(text.split())


def sample_rank(words: int, time: int) -> int:
    """Of a line that shall say how somebody talks: the newest of ordinary length, else the newest at all."""
    return (SAMPLE_WORDS[0] <= words <= SAMPLE_WORDS[1]) * 100_000_000_000_000 + time


def _cut(texts: list[str]) -> bytes:
    """JSON of the Cut of these texts; nothing where there is none."""
    places = list(compress(range(len(texts)), [not text.isascii() for text in texts]))
    if not places:
        return b""
    plain = [texts[place] for place in places]
    cut = {
        place: new for place, old, new in zip(places, plain, indexed_texts(plain), strict=True) if new != old
    }
    if not cut:
        return b""
    written = _json(cut)
    return UNCUT if written is None else written


def _json(value: Any) -> bytes | None:
    """As JSON; None where SQLite would not read the same out of it."""
    try:
        written = msgspec.json.encode(value)
    except UnicodeEncodeError:  # half an emoji
        return None
    # SQLite ends a text of JSON at its first NUL.
    return None if b"\\u0000" in written else written


def _row(seq: int, message: Message) -> tuple[str, int, int, str, str, str, str, int]:
    key, text, reactions, attachments = message.key, message.text, "", ""
    if not (text.isascii() and key.isascii()):
        key, text = storable(key), storable(text)
    if message.reactions:
        reactions = _json_of(message.reactions)
    if message.attachments:
        attachments = _json_of(message.attachments)
    # .value is a property, which costs as much as all the rest of the row
    kind: str = message.kind._value_
    return key, message.time, seq, kind, text, reactions, attachments, int(message.edited)


def _json_of(things: tuple[Reaction, ...] | tuple[Attachment, ...]) -> str:
    try:
        return msgspec.json.encode(things).decode()
    except UnicodeEncodeError:  # half an emoji
        return msgspec.json.encode(
            [type(one)(*map(storable, msgspec.structs.astuple(one))) for one in things]
        ).decode()


def storable(value: Any) -> Any:
    """A text without lone surrogates, which SQLite cannot hold; any other value as it is."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
