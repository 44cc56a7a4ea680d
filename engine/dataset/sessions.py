"""The studio preset, first half: a conversation becomes sessions, each a list of lines."""

from __future__ import annotations

import re
from collections import Counter

import msgspec

from engine.archive.rows import Dialogue, MessageRow
from engine.conversation import Kind
from engine.dataset.cast import AI_ALONE, AI_NEVER_SPEAKS, AI_SILENT, EMPTY, GROUP, LEFT_OUT, NOT_SPEECH, Cast
from engine.dataset.checks import SPECIAL_TEXT
from engine.dataset.chunks import CHUNK_TOKENS, Turn, turn_tokens
from engine.dataset.recipe import Recipe

# So many names stand in the system prompt of a group; the rest are counted.
NAMED = 6


class Line(msgspec.Struct, frozen=True, gc=False):
    """One run on its way to a turn. texts: one for each of turn.messages. lead: "Name: " in a group.
    cost: tokens as a turn. person: a PersonRow.id."""

    turn: Turn
    person: int
    lead: str
    texts: tuple[str, ...]
    cost: int

    @property
    def learned(self) -> bool:
        return self.turn.learned


class Session(msgspec.Struct, frozen=True, gc=False):
    """A stretch of a conversation without a long silence. start: UTC ms of its first message.
    overhead: tokens of a chunk of it before its first line."""

    conversation: int
    title: str
    start: int
    system: str
    overhead: int
    lines: tuple[Line, ...]


def sessions(dialogue: Dialogue, recipe: Recipe, cast: Cast) -> tuple[list[Session], Counter[str]]:
    """The sessions of a conversation that hold a reply, and the messages dropped, by reason."""
    rows, dropped = _speech(dialogue, cast)
    if dialogue.conversation.kind == "group" and not recipe.groups:
        dropped[GROUP] += len(rows)
        return [], dropped
    if not any(cast.is_ai(row) for row in rows):
        dropped[AI_NEVER_SPEAKS] += len(rows)
        return [], dropped
    system = _system(rows, recipe, cast)
    overhead = CHUNK_TOKENS + (turn_tokens([system])[0] if system else 0)
    kept = []
    for stretch in _stretches(rows, recipe.gap_minutes * 60_000):
        spoken = sum(cast.is_ai(row) for row in stretch)
        if spoken == 0:
            dropped[AI_SILENT] += len(stretch)
        elif spoken == len(stretch):
            dropped[AI_ALONE] += len(stretch)
        else:
            kept.append(stretch)
    is_group = dialogue.conversation.kind == "group"
    lines = [_lines(stretch, recipe, cast, is_group) for stretch in kept]
    costs = iter(turn_tokens([line.turn.text for some in lines for line in some]))
    return [
        Session(
            conversation=dialogue.conversation.id,
            title=dialogue.conversation.title,
            start=stretch[0].time,
            system=system,
            overhead=overhead,
            lines=tuple(msgspec.structs.replace(line, cost=next(costs)) for line in some),
        )
        for stretch, some in zip(kept, lines, strict=True)
    ], dropped


def _speech(dialogue: Dialogue, cast: Cast) -> tuple[list[MessageRow], Counter[str]]:
    dropped: Counter[str] = Counter()
    rows = []
    for row in dialogue.messages:
        if row.person in cast.left_out:
            dropped[LEFT_OUT] += 1
        elif row.kind != Kind.SPEECH:
            dropped[NOT_SPEECH] += 1
        elif not row.text.strip():
            dropped[EMPTY] += 1
        else:
            rows.append(row)
    return rows, dropped


def _stretches(rows: list[MessageRow], gap: int) -> list[list[MessageRow]]:
    stretches: list[list[MessageRow]] = []
    for row in rows:
        if stretches and row.time - stretches[-1][-1].time <= gap:
            stretches[-1].append(row)
        else:
            stretches.append([row])
    return stretches


def _system(rows: list[MessageRow], recipe: Recipe, cast: Cast) -> str:
    speakers = Counter(row.person for row in rows if not cast.is_ai(row))
    names = {row.person: row.sender for row in rows}
    others = [names[person] for person, _ in speakers.most_common(NAMED)]
    if len(speakers) > NAMED:
        others.append("1 other" if len(speakers) == NAMED + 1 else f"{len(speakers) - NAMED} others")
    return system_prompt(recipe, cast.name, others)


def system_prompt(recipe: Recipe, ai: str, others: list[str]) -> str:
    """The system prompt of a conversation of `ai` with `others`; the same in training and in chat."""
    listed = " and ".join(filter(None, [", ".join(others[:-1]), *others[-1:]])) or "someone"
    names = {"{ai}": ai, "{others}": listed}
    return spaced(re.sub(r"\{(?:ai|others)\}", lambda found: names[found[0]], recipe.system)).strip()


def spaced(text: str) -> str:
    """`text` with a space inside whatever spells a special token: services refuse a file that has one."""
    return SPECIAL_TEXT.sub(lambda found: found[0].replace("<|", "< |"), text) if "<|" in text else text


def _lines(stretch: list[MessageRow], recipe: Recipe, cast: Cast, is_group: bool) -> list[Line]:
    runs: list[list[MessageRow]] = []
    for row in stretch:
        if runs and runs[-1][0].person == row.person:
            runs[-1].append(row)
        else:
            runs.append([row])
    return [_line(run, recipe, cast, is_group) for run in runs]


def _line(run: list[MessageRow], recipe: Recipe, cast: Cast, is_group: bool) -> Line:
    first = run[0]
    is_ai = cast.is_ai(first)
    lead = spaced(f"{first.sender}: ") if is_group and not is_ai else ""
    stripped = [row.text.strip() for row in run]
    texts = tuple(map(spaced, stripped))
    turn = Turn(
        role="assistant" if is_ai else "user",
        sender=first.sender,
        text=lead + recipe.join.join(texts),
        weight=1 if is_ai else None,
        messages=tuple(row.id for row in run),
        problem="" if list(texts) == stripped else "text of a special token, spaced out",
    )
    return Line(turn=turn, person=first.person, lead=lead, texts=texts, cost=0)
