"""Messages on their way into the database: whole stretches of them as JSON that SQLite takes apart itself.

A row that is bound value by value costs Python more than all the rest of an import. A stretch as one
text costs it nothing; it may come from another process, and SQLite works on it while the next is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import compress
from typing import Any

import msgspec

from engine.conversation import Conversation, Edit, InBulk, Kind, Message, Sender, Stretch
from engine.indexed_text import indexed_texts

STRETCH = 5_000  # messages

SAMPLE_WORDS = (4, 30)

Cut = dict[int, str]
"""By place the texts whose indexed text is another (`engine.indexed_text`)."""


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
    cut: a JSON object, see Cut, or nothing."""

    sender: str
    figures: Figures
    keyed: bool
    texts: bytes
    cut: bytes


class Others(msgspec.Struct, gc=False, array_like=True):
    """Any other messages of one sender. rows: a JSON array of (key, time, seq, kind, text, reactions,
    attachments, edited). cut: as in Said."""

    sender: str
    figures: Figures
    rows: bytes
    cut: bytes


class Packed(msgspec.Struct, gc=False, array_like=True):
    """Some messages of a conversation. rows: those that JSON cannot carry to SQLite, as (sender, ...) in the
    order of Others' rows. replies: (key, key of what it answers). edits: (key, its Edits as JSON or, of one
    that was taken back, None)."""

    said: list[Said]
    others: list[Others]
    rows: list[tuple[Any, ...]]
    rows_figures: list[tuple[str, Figures]]
    replies: list[tuple[str, str]]
    edits: list[tuple[str, str | None]]

    def figures(self) -> Iterator[tuple[str, Figures]]:
        """By the keys of the senders, of which one may come several times."""
        yield from ((one.sender, one.figures) for one in self.said)
        yield from ((one.sender, one.figures) for one in self.others)
        yield from self.rows_figures

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
    packed = Packed([], [], [], [], [], [])
    for sender, texts in stretch.said.items():
        _pack_said(sender, texts, packed)
    by_sender: dict[str, list[tuple[int, Message]]] = {}
    for one in stretch.others:
        by_sender.setdefault(one[1].sender, []).append(one)
    for sender, others in by_sender.items():
        _pack_others(sender, others, packed)
    return packed


def _pack_said(sender: str, texts: dict[int | str, str], packed: Packed) -> None:
    spoken = list(texts.values())
    figures = _figures_of_said(texts, spoken)
    written = _json(texts)
    keyed = isinstance(next(iter(texts)), str)
    if written is not None:
        packed.said.append(Said(storable(sender), figures, keyed, written, _cut(spoken)))
        return
    for label, text in texts.items():
        time, _, key = str(label).partition(" ")
        row = (key, int(time), 0, "speech", text, "", "", 0)
        packed.rows.append((storable(sender), *map(storable, row)))
    packed.rows_figures.append((storable(sender), _storable(figures)))


def _pack_others(sender: str, others: list[tuple[int, Message]], packed: Packed) -> None:
    speech, figures = Kind.SPEECH, Figures()
    for _, message in others:
        if message.kind is speech:
            spoken = words(message.text)
            rank = sample_rank(spoken, message.time) if spoken else 0
            figures.add(Figures(1, spoken, message.time, message.time, rank, message.text))
        else:
            figures.add(Figures(1, 0, message.time, message.time))
        if message.reply_to is not None:
            packed.replies.append((storable(message.key), storable(message.reply_to)))
        if message.edits:
            edits = [Edit(storable(edit.text), edit.time) for edit in message.edits]
            packed.edits.append((storable(message.key), msgspec.json.encode(edits).decode()))
        elif message.key and message.kind is Kind.UNSENT:
            packed.edits.append((storable(message.key), None))
    rows = [_other(seq, message) for seq, message in others]
    written = _json(rows)
    if written is not None:
        cut = _cut([message.text if message.kind is speech else "" for _, message in others])
        packed.others.append(Others(storable(sender), figures, written, cut))
    else:
        packed.rows += [(storable(sender), *map(_column, row)) for row in rows]
        packed.rows_figures.append((storable(sender), _storable(figures)))


def _figures_of_said(texts: dict[int | str, str], spoken: list[str]) -> Figures:
    """Of one Stretch: the newest come last."""
    figures = Figures(len(texts), words(" ".join(spoken)))
    figures.first, figures.last = _time(next(iter(texts))), _time(next(reversed(texts)))
    for label, text in zip(reversed(texts), reversed(spoken), strict=True):
        time = _time(label)
        if sample_rank(SAMPLE_WORDS[0], time) <= figures.rank:
            break
        here = words(text)
        rank = sample_rank(here, time)
        if here and rank > figures.rank:
            figures.rank, figures.sample = rank, text
    return figures


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
    return msgspec.json.encode(cut) if cut else b""


def _json(value: Any) -> bytes | None:
    """As JSON; None where SQLite would not read the same out of it."""
    try:
        written = msgspec.json.encode(value)
    except UnicodeEncodeError:  # half an emoji
        return None
    # SQLite ends a text of JSON at its first NUL.
    return None if b"\\u0000" in written else written


def _other(seq: int, message: Message) -> tuple[Any, ...]:
    return (
        message.key,
        message.time,
        seq,
        message.kind._value_,  # .value is a property, which costs as much as all the rest of the row
        message.text,
        message.reactions or "",
        message.attachments or "",
        int(message.edited),
    )


def storable(value: Any) -> Any:
    """A text without lone surrogates, which SQLite cannot hold; any other value as it is."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _storable(figures: Figures) -> Figures:
    figures.sample = storable(figures.sample)
    return figures


def _column(value: Any) -> Any:
    """`storable`, and what is not one value as JSON: reactions and attachments."""
    if not isinstance(value, tuple):
        return storable(value)
    mended = [type(one)(*map(storable, msgspec.structs.astuple(one))) for one in value]
    return msgspec.json.encode(mended).decode()
