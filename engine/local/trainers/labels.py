"""Training chats as tokens with their labels: exactly the replies to learn and their end tokens.

Every other position carries IGNORED. A chat that is longer than the model may look at loses its oldest
turns (never its system prompt); one whose last reply does not fit then is left out and counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from engine.errors import DataError, StudioError
from engine.local.trainers import ChatMessage, Example, Note, chat_template
from engine.local.trainers.chat_template import Rendered

IGNORED = -100
_AT_ONCE = 256


class Tokens(msgspec.Struct, frozen=True):
    """One example. labels: as long as ids; IGNORED where nothing is learned."""

    ids: list[int]
    labels: list[int]


class Encoded(msgspec.Struct, frozen=True):
    """Examples as tokens. shortened: how many lost turns. left_out: how many are missing, by reason."""

    examples: list[Tokens]
    shortened: int
    left_out: dict[str, int]

    def notes(self, name: str, max_length: int) -> Iterator[Note]:
        """What a person should know of it."""
        if self.shortened:
            yield Note(
                f"{self.shortened:,} {name} examples are longer than {max_length:,} tokens "
                "and lose their oldest turns",
                "warn",
            )
        for reason, count in self.left_out.items():
            yield Note(f"{count:,} {name} examples are left out: {reason}", "warn")


def encode(tokenizer: Any, examples: Iterable[Example], max_length: int) -> Encoded:
    """Tokens and labels of every example that can be learned from.

    tokenizer: a fast `transformers` tokenizer with a chat template. Raises StudioError where the model's
    template marks no end of a reply.
    """
    encoded: list[Tokens] = []
    left_out: Counter[str] = Counter()
    shortened = 0
    specials = chat_template.control_tokens(tokenizer)
    chats: list[tuple[Sequence[ChatMessage], Rendered]] = []
    for example in examples:
        if any(special in message.content for message in example.messages for special in specials):
            left_out["a message spells a control token of the model"] += 1
            continue
        try:
            chats.append((example.messages, chat_template.rendered(tokenizer, example.messages)))
        except DataError as error:
            left_out[str(error)] += 1
    for start in range(0, len(chats), _AT_ONCE):
        some = chats[start : start + _AT_ONCE]
        for (messages, _), tokens in zip(some, _tokens(tokenizer, [chat for _, chat in some]), strict=True):
            if len(tokens.ids) > max_length:
                cut = _shortened(tokenizer, messages, max_length)
                if cut is None:
                    left_out[f"their last turns alone are longer than {max_length:,} tokens"] += 1
                    continue
                tokens = cut
                shortened += 1
            if any(label != IGNORED for label in tokens.labels[1:]):
                encoded.append(tokens)
            else:
                left_out["nothing in them is to be learned"] += 1
    return Encoded(encoded, shortened, dict(left_out))


def _tokens(tokenizer: Any, chats: list[Rendered]) -> list[Tokens]:
    if not chats:
        return []
    found = tokenizer([chat.text for chat in chats], add_special_tokens=False, return_offsets_mapping=True)
    ends = frozenset(tokenizer.added_tokens_decoder) | frozenset(tokenizer.all_special_ids)
    return [
        Tokens(ids, _labels(chat, ids, offsets, ends))
        for chat, ids, offsets in zip(chats, found["input_ids"], found["offset_mapping"], strict=True)
    ]


def _labels(
    chat: Rendered, ids: list[int], offsets: list[tuple[int, int]], ends: frozenset[int]
) -> list[int]:
    """The ids of what is learned: tokens with a character of such a reply, and the end token after it."""
    labels = [IGNORED] * len(ids)
    at = 0
    for (start, end), learned in zip(chat.spans, chat.learned, strict=True):
        while at < len(ids) and offsets[at][1] <= start:
            at += 1
        first = at
        while at < len(ids) and offsets[at][0] < end:
            at += 1
        stop = at
        # A template may put a space or a newline between a reply and its end.
        while stop < len(ids) and ids[stop] not in ends and not chat.text[slice(*offsets[stop])].strip():
            stop += 1
        if stop == len(ids) or ids[stop] not in ends:
            raise StudioError(
                "Its chat template ends no reply with a token of its own: it could not learn to stop.",
                "Choose a model with a chat template like ChatML's or Llama's.",
            )
        if learned:
            labels[first : stop + 1] = ids[first : stop + 1]
    return labels


def _shortened(tokenizer: Any, messages: Sequence[ChatMessage], max_length: int) -> Tokens | None:
    """The chat without its oldest turns: the longest that fits and still has a reply to learn."""
    system = [message for message in messages[:1] if message.role == "system"]
    turns = messages[len(system) :]
    begins = [at for at, message in enumerate(turns) if at and message.role == "user"]
    low, high, best = 0, len(begins), None
    while low < high:
        middle = (low + high) // 2
        try:
            chat = chat_template.rendered(tokenizer, [*system, *turns[begins[middle] :]])
        except DataError:
            return best
        (tokens,) = _tokens(tokenizer, [chat])
        if len(tokens.ids) <= max_length:
            best, high = tokens, middle
        else:
            low = middle + 1
    return best
