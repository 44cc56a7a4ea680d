"""Held-out moments: a context that no training file holds, and what the person really replied."""

from __future__ import annotations

import msgspec

from engine.dataset import Dataset


class Moment(msgspec.Struct, frozen=True):
    """`turns` are (role, text) up to the reply, the system prompt first where there is one."""

    title: str
    turns: tuple[tuple[str, str], ...]
    reply: str


def held_out(dataset: Dataset) -> list[Moment]:
    """One moment for each test chunk that has somebody to answer: its last turn is the real reply."""
    moments = []
    for chunk in dataset.chunks:
        *context, last = chunk.turns
        if chunk.split == "test" and any(turn.role == "user" for turn in context):
            turns = tuple((turn.role, turn.text) for turn in context)
            moments.append(Moment(title=chunk.title, turns=turns, reply=last.text))
    return moments
