"""A model's own chat template: a chat as text, and which of its characters are the replies to learn.

Templates differ: some trim what they are given, put empty thoughts before the last reply, know no system
role or want user and assistant in turns; most have no generation markers. So the places of the replies are
found by rendering the chat once more with a mark in the place of each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec

from engine.errors import DataError
from engine.local.trainers import ChatMessage

Turn = dict[str, str]


class Tokenizer(Protocol):
    """What is needed of a `transformers` tokenizer."""

    added_tokens_decoder: dict[int, Any]

    def apply_chat_template(self, conversation: list[Turn], **options: Any) -> Any: ...


class Rendered(msgspec.Struct, frozen=True):
    """A chat as the model reads it. spans: [start, end) in characters of each reply, its end token
    excluded; learned: whether its weight asks for it."""

    text: str
    spans: tuple[tuple[int, int], ...]
    learned: tuple[bool, ...]


def prompt(tokenizer: Tokenizer, messages: Sequence[ChatMessage]) -> str:
    """The chat, ready for the next reply. A template that can do without thoughts does without.

    A control token that a message spells is broken by an invisible space: what somebody writes ends no turn
    and begins none. Raises DataError with the template's own words where it refuses the chat.
    """
    control = control_tokens(tokenizer)

    def harmless(_: int, message: ChatMessage) -> str:
        text = message.content
        for token in control:
            text = text.replace(token, f"{token[0]}\u200b{token[1:]}" if len(token) > 1 else "")
        return text

    return _render(tokenizer, messages, harmless, generation=True)


def control_tokens(tokenizer: Tokenizer) -> list[str]:
    """The texts that the tokenizer would read as control tokens, wherever they stand."""
    added = tokenizer.added_tokens_decoder.values()
    return [token.content for token in added if token.special and token.content.strip()]


def rendered(tokenizer: Tokenizer, messages: Sequence[ChatMessage]) -> Rendered:
    """The chat with the places of its replies.

    Raises DataError where the template refuses the chat or rewrites a reply.
    """
    text = _render(tokenizer, messages, _text)
    border = _unwritten(messages)

    def mark(at: int) -> str:
        return f"{border}{at}{border}"

    marked = _render(
        tokenizer, messages, lambda at, message: mark(at) if _replies(message) else message.content
    )
    spans, learned, done = [], [], 0
    for at, message in enumerate(messages):
        if not _replies(message):
            continue
        before, found, marked = marked.partition(mark(at))
        if not found or not text.startswith(before, done):
            raise DataError("the model's chat template rewrites the turns before a reply")
        start = done + len(before)
        following = marked.partition(border)[0]
        for content in (message.content, message.content.strip(), message.content.lstrip("\n")):
            if text.startswith(content + following, start):
                break
        else:
            raise DataError("the model's chat template rewrites a reply")
        done = start + len(content)
        spans.append((start, done))
        learned.append(message.weight != 0)
    if text[done:] != marked:
        raise DataError("the model's chat template rewrites the turns after a reply")
    return Rendered(text, tuple(spans), tuple(learned))


def _replies(message: ChatMessage) -> bool:
    return message.role == "assistant"


def _text(_: int, message: ChatMessage) -> str:
    return message.content


def _unwritten(messages: Sequence[ChatMessage]) -> str:
    """A private use character that stands in none of the messages; no template treats these."""
    written = {char for message in messages for char in message.content}
    return next(char for char in map(chr, range(0xE000, 0xF900)) if char not in written)


def _render(
    tokenizer: Tokenizer,
    messages: Sequence[ChatMessage],
    content: Callable[[int, ChatMessage], str],
    generation: bool = False,
) -> str:
    turns = [{"role": message.role, "content": content(at, message)} for at, message in enumerate(messages)]
    said = ""
    for chat in (turns, _without_system(turns)):
        try:
            return _apply(tokenizer, chat, generation)
        except Exception as error:  # noqa: BLE001 - whatever a foreign template raises
            said = " ".join(str(error).split())[:200] or type(error).__name__
    raise DataError(f"the model's chat template refuses the chat ({said})")


def _apply(tokenizer: Tokenizer, turns: list[Turn], generation: bool) -> str:
    rendered: str = tokenizer.apply_chat_template(
        turns, tokenize=False, add_generation_prompt=generation, enable_thinking=False
    )
    return rendered


def _without_system(turns: list[Turn]) -> list[Turn]:
    """The chat for a template that knows no system role: its text opens the first turn of the user."""
    if not turns or turns[0]["role"] != "system":
        return turns
    system, *rest = turns
    if rest and rest[0]["role"] == "user":
        return [{"role": "user", "content": f"{system['content']}\n\n{rest[0]['content']}"}, *rest[1:]]
    return [{"role": "user", "content": system["content"]}, *rest]
