"""Turn, Chunk and Dataset: what a recipe makes of an archive."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Literal

import msgspec

from engine import tokens
from engine.dataset.recipe import Recipe, to_toml

Role = Literal["system", "user", "assistant"]
Split = Literal["train", "valid", "test"]

# OpenAI's way of counting an example: three a message and one for its role, three at the end.
MESSAGE_TOKENS = 4
CHUNK_TOKENS = 3


class Turn(msgspec.Struct, frozen=True, gc=False):
    """One entry of a chunk: the system prompt, or one or more messages that a sender wrote in a row.

    weight: 0 for a reply that is only context here; 1 or None for one that is learned.
    messages: ids of the archive's messages it came from. problem: what had to be changed, or "".
    """

    role: Role
    sender: str
    text: str
    weight: int | None = None
    messages: tuple[int, ...] = ()
    problem: str = ""

    @property
    def learned(self) -> bool:
        return self.role == "assistant" and self.weight != 0


class Chunk(msgspec.Struct, frozen=True, gc=False):
    """One training example. index: its place in the dataset. conversation: a ConversationRow.id."""

    index: int
    split: Split
    conversation: int
    title: str
    tokens: int
    turns: tuple[Turn, ...]

    @property
    def messages(self) -> tuple[int, ...]:
        return tuple(message for turn in self.turns for message in turn.messages)

    @property
    def teaches(self) -> bool:
        """Whether a reply in it is learned."""
        return any(turn.learned for turn in self.turns)

    @property
    def problems(self) -> tuple[str, ...]:
        return tuple(turn.problem for turn in self.turns if turn.problem)


class Dataset(msgspec.Struct, frozen=True):
    """Immutable. id: hash of recipe and chunks. ai: the AI sender's name.

    dropped: messages by the reason why they are not learned from. Every message of the archive is in
    a chunk or is counted here; a reply is counted here unless it is learned, exactly once.
    """

    id: str
    recipe: Recipe
    ai: str
    chunks: tuple[Chunk, ...]
    dropped: dict[str, int]

    def split(self, name: Split) -> tuple[Chunk, ...]:
        return tuple(chunk for chunk in self.chunks if chunk.split == name)

    def examples(self, name: Split) -> tuple[Chunk, ...]:
        """The chunks of a split that teach something. Services refuse a whole file for one that does not;
        the langchain preset cuts such chunks where others talk for long."""
        return tuple(chunk for chunk in self.split(name) if chunk.teaches)

    @property
    def tokens(self) -> int:
        return sum(chunk.tokens for chunk in self.chunks)


def dataset_of(recipe: Recipe, ai: str, chunks: Sequence[Chunk], dropped: dict[str, int]) -> Dataset:
    """Number the chunks and give the dataset its id: the same recipe and chunks, the same id."""
    numbered = tuple(
        msgspec.structs.replace(chunk, index=index) if chunk.index != index else chunk
        for index, chunk in enumerate(chunks)
    )
    kept = {reason: count for reason, count in sorted(dropped.items()) if count}
    return Dataset(_id(recipe, ai, numbered), recipe, ai, numbered, kept)


def _id(recipe: Recipe, ai: str, chunks: Sequence[Chunk]) -> str:
    """The hash of `[recipe, ai, chunks]` in JSON, a chunk at a time: encoded at once they would fill
    memory, and nothing else could run meanwhile."""
    encode = msgspec.json.encode
    content = hashlib.sha256(b"[" + encode(to_toml(recipe)) + b"," + encode(ai) + b",[")
    for chunk in chunks:
        content.update((b"," if chunk.index else b"") + encode(chunk))
    content.update(b"]]")
    return content.hexdigest()[:10]


def turn_tokens(texts: Sequence[str]) -> list[int]:
    """What each text costs as a turn of a chunk."""
    return [MESSAGE_TOKENS + count for count in tokens.count_all(texts)]


def usual_system(chunks: Sequence[Chunk]) -> str:
    """The system prompt that most of the chunks have, "" where they have none."""
    first = (chunk.turns[0] for chunk in chunks if chunk.turns)
    prompts = Counter(turn.text for turn in first if turn.role == "system")
    return prompts.most_common(1)[0][0] if prompts else ""
