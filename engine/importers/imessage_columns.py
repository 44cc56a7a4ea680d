"""The messages of one conversation by columns: most are nothing but words, and cost no object each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import count, islice
from operator import gt

from engine.conversation import Message, Stretch
from engine.packed import STRETCH


class Columns:
    """Messages that have keys, each its own.

    others: by place those that are more than speech with nothing else to them; the columns hold what all
    messages have.
    """

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.senders: list[str] = []
        self.times: list[int] = []
        self.texts: list[str] = []
        self.others: dict[int, Message] = {}

    @classmethod
    def of(cls, messages: list[Message]) -> Columns:
        found = cls()
        for message in messages:
            found.append(message)
        return found

    def append(self, message: Message) -> None:
        self.keys.append(message.key)
        self.senders.append(message.sender)
        self.times.append(message.time)
        self.texts.append(message.text)
        self.put(len(self.keys) - 1, message)

    def put(self, place: int, message: Message) -> None:
        """As `message` in its place, whose key, sender, time and text stay."""
        if message == Message(message.key, message.sender, message.time, message.text):
            self.others.pop(place, None)
        else:
            self.others[place] = message

    def sort(self) -> None:
        """By time; messages of the same moment stay as they are."""
        times = self.times
        if not any(map(gt, times, islice(times, 1, None))):
            return
        order = sorted(range(len(times)), key=times.__getitem__)
        self.keys = [self.keys[n] for n in order]
        self.senders = [self.senders[n] for n in order]
        self.times = [times[n] for n in order]
        self.texts = [self.texts[n] for n in order]
        self.others = {place: self.others[n] for place, n in enumerate(order) if n in self.others}

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, place: int) -> Message:
        other = self.others.get(place)
        if other is not None:
            return other
        return Message(self.keys[place], self.senders[place], self.times[place], self.texts[place])

    def __iter__(self) -> Iterator[Message]:
        columns = map(Message, self.keys, self.senders, self.times, self.texts)
        if not self.others:
            return columns
        others = self.others.get
        return (others(place) or message for place, message in enumerate(columns))

    def stretches(self) -> Iterator[Stretch]:
        """The messages must be sorted."""
        seq = self._places_in_milliseconds()
        others = sorted(self.others.keys() | seq.keys())
        done = 0
        for start in range(0, len(self), STRETCH):
            part = slice(start, start + STRETCH)
            senders: list[str | None] = [*self.senders[part]]
            apart = []
            while done < len(others) and others[done] < start + STRETCH:
                place = others[done]
                senders[place - start] = None
                apart.append((seq.get(place, 0), self[place]))
                done += 1
            said: dict[str | None, dict[int | str, str]] = defaultdict(dict)
            for sender, time, key, text in zip(
                senders, self.times[part], self.keys[part], self.texts[part], strict=True
            ):
                said[sender][f"{time} {key}"] = text
            said.pop(None, None)
            yield Stretch({sender: texts for sender, texts in said.items() if sender is not None}, apart)

    def _places_in_milliseconds(self) -> dict[int, int]:
        """Of messages that are not the first of their millisecond, which one of it they are."""
        times, seq = self.times, dict[int, int]()
        for place, time, before in zip(count(1), islice(times, 1, None), times, strict=False):
            if time == before:
                seq[place] = seq.get(place - 1, 0) + 1
        return seq
