"""What the server and a generation process say to each other: JSON lines over the process's pipes."""

from __future__ import annotations

import msgspec

from engine.local.trainers import ChatMessage


class Load(msgspec.Struct, frozen=True, tag=True):
    """Load the base model's folder; asked again after a Short, when room was made."""

    base: str


class Ask(msgspec.Struct, frozen=True, tag=True):
    """Begin a reply. number: names it from now on. adapter: a folder, None for the bare base.

    max_tokens: None for the usual limit, as far as the model's context allows. top_logprobs: None for no
    logprobs at all.
    """

    number: int
    messages: tuple[ChatMessage, ...]
    adapter: str | None = None
    temperature: float = 1.0
    top_p: float = 1.0
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    top_logprobs: int | None = None


class Stop(msgspec.Struct, frozen=True, tag=True):
    """Nobody listens to this reply any more."""

    number: int


class Forget(msgspec.Struct, frozen=True, tag=True):
    """The adapter below this folder was deleted."""

    adapter: str


class Ready(msgspec.Struct, frozen=True, tag=True):
    """The base is loaded."""


class Short(msgspec.Struct, frozen=True, tag=True):
    """There is too little memory to load the base: bytes. Nothing was loaded."""

    needed: int
    free: int


class Broken(msgspec.Struct, frozen=True, tag=True):
    """The base cannot be loaded, and this process is of no more use."""

    sentence: str


class TokenChance(msgspec.Struct, frozen=True):
    """A token and the log of its probability. bytes: what it stands for in UTF-8."""

    token: str
    logprob: float
    bytes: list[int]


class ChosenToken(TokenChance, frozen=True):
    """A token of the reply and the likeliest ones in its place."""

    top_logprobs: list[TokenChance]


class Began(msgspec.Struct, frozen=True, tag=True):
    """The prompt is read. tokens: of the whole prompt."""

    number: int
    tokens: int


class Said(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """The reply goes on. tokens: how many of them were made since the last Said."""

    number: int
    text: str
    tokens: int
    logprobs: tuple[ChosenToken, ...] = ()


class Ended(msgspec.Struct, frozen=True, tag=True):
    """The reply is whole. finish: "stop" or "length"."""

    number: int
    finish: str


class Refused(msgspec.Struct, frozen=True, tag=True):
    """This reply cannot be made, or not to its end. code: OpenAI's, where the request is at fault."""

    number: int
    sentence: str
    code: str | None = None


Command = Load | Ask | Stop | Forget
Event = Ready | Short | Broken | Began | Said | Ended | Refused
