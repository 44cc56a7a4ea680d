"""Cut what is longer than a whole chunk, so that the reply and what came just before it stay."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from engine.dataset.chunks import turn_tokens
from engine.dataset.sessions import Line


def fitted(step: Sequence[Line], room: int, join: str) -> tuple[list[Line], int]:
    """`step` (lines that end on a reply) within `room` tokens, and how many messages were cut away.

    The reply keeps its beginning and what is before it keeps its end: lines go from the front, and a
    line that is too long alone loses messages, then characters.
    """
    *before, reply = step
    # A long reply leaves a quarter of the room to what it answers.
    reserved = min(before[-1].cost, room // 4) if before else 0
    # At least 24 tokens are left for the reply: it never vanishes.
    kept, lost = _cut(reply, room - reserved, join, from_the_end=True)
    lines = [kept]
    left = room - kept.cost
    while before and before[-1].cost <= left:
        left -= before[-1].cost
        lines.insert(0, before.pop())
    if before and len(lines) == 1:
        # Not even the turn that the reply answers fits: its end is worth more than nothing.
        asked, gone = _cut(before[-1], left, join, from_the_end=False)
        if asked.turn.text != asked.lead:
            before.pop()
            lost += gone
            lines.insert(0, asked)
    lost += sum(len(line.turn.messages) for line in before if line.turn.weight != 0)
    return lines, lost


def _cut(line: Line, room: int, join: str, *, from_the_end: bool) -> tuple[Line, int]:
    """`line` within `room` tokens: whole messages as long as one is left, then characters of it."""
    if line.cost <= room:
        return line, 0
    total = len(line.texts)

    def some(count: int) -> slice:
        return slice(0, count) if from_the_end else slice(total - count, total)

    def joined(count: int) -> str:
        return line.lead + join.join(line.texts[some(count)])

    count = max(1, _largest(total, room, joined))
    text = joined(count)
    if turn_tokens([text])[0] > room:
        only = line.texts[some(1)][0]

        def part(length: int) -> str:
            return line.lead + (only[:length] if from_the_end else only[len(only) - length :])

        text = part(_largest(len(only), room, part))
    turn = replace(
        line.turn, text=text, messages=line.turn.messages[some(count)], problem="cut to fit the token limit"
    )
    return replace(line, turn=turn, texts=line.texts[some(count)], cost=turn_tokens([text])[0]), total - count


def _largest(most: int, room: int, text: Callable[[int], str]) -> int:
    """A largest count up to `most` whose text is within `room` tokens, by halving."""
    # Whatever halving ends on has been measured: the bound holds even where tokens do not grow evenly.
    return bisect_right(range(1, most + 1), room, key=lambda count: turn_tokens([text(count)])[0])
