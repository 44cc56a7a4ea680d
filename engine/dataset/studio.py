"""The studio preset, second half: sessions are split, then each part is cut into chunks."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from engine.dataset.cast import SAME_REPLY, TAIL, TOO_LONG
from engine.dataset.chunks import Chunk, Split, Turn
from engine.dataset.cutting import fitted
from engine.dataset.recipe import Recipe
from engine.dataset.sessions import Line, Session

# Fewer sessions than this are all trained on: one tenth of them would be none.
FEW_SESSIONS = 8
# The fewest examples that a service takes: held-out sessions are given back until there are so many.
FEWEST_EXAMPLES = 10
# What must be left for a conversation beside its system prompt, in tokens.
LEAST_ROOM = 32
WORD = re.compile(r"\w+")


def chunks(sessions: Sequence[Session], recipe: Recipe) -> tuple[list[Chunk], Counter[str]]:
    """The chunks of all sessions (index 0) in the order given, and the messages dropped, by reason."""
    recipe = _fine_enough(sessions, recipe)
    splits = split(sessions, recipe)
    sessions, dropped = _limited(sessions, splits, recipe.same_reply)
    made: list[Chunk] = []
    for session, name in zip(sessions, splits, strict=True):
        some, lost = _session_chunks(session, name, recipe)
        made += some
        dropped += lost
    return made, dropped


def split(sessions: Sequence[Session], recipe: Recipe) -> list[Split]:
    """The part of each session: the newest are the test, some of the others validation, the rest train.

    Which are validation is drawn for each session by itself, so a later import, which adds sessions, draws
    none of the old ones anew. The test moves on with time: what it was before is trained on then. A saved
    dataset keeps its own parts for ever.
    """
    order = sorted(range(len(sessions)), key=lambda i: (sessions[i].start, sessions[i].conversation))
    tests = _share(recipe.test, len(order))
    older, test = order[: len(order) - tests], order[len(order) - tests :]
    drawn = sorted(older, key=lambda i: _lot(sessions[i], recipe.seed))
    valid = drawn[: min(len(older), _share(recipe.valid, len(order)))]
    held = set(test) | set(valid)
    train = [i for i in order if i not in held]
    # Small data: training comes first, then the test.
    examples = counted = 0
    while examples < FEWEST_EXAMPLES and (counted < len(train) or valid or test):
        if counted == len(train):
            train.append(valid.pop() if valid else test.pop(0))
        examples += len(_session_chunks(sessions[train[counted]], "train", recipe)[0])
        counted += 1
    parts: dict[int, Split] = dict.fromkeys(train, "train")
    parts |= dict.fromkeys(valid, "valid")
    parts |= dict.fromkeys(test, "test")
    return [parts[i] for i in range(len(sessions))]


def _lot(session: Session, seed: int) -> bytes:
    """Drawn by the session alone: the same in every dataset of its studio."""
    return hashlib.blake2b(f"{seed} {session.conversation} {session.start}".encode()).digest()


def _fine_enough(sessions: Sequence[Session], recipe: Recipe) -> Recipe:
    """The recipe; where a few long sessions give too few examples for any service, one that cuts them
    finer: half the tokens, and half again, as long as no text is lost by it."""
    if len(sessions) >= FEWEST_EXAMPLES:
        return recipe
    found, lost = _cut_all(sessions, recipe)
    finer = recipe
    while found < FEWEST_EXAMPLES and finer.max_tokens >= 2 * LEAST_ROOM:
        finer = replace(finer, max_tokens=finer.max_tokens // 2)
        found, lost_then = _cut_all(sessions, finer)
        if lost_then != lost:
            return recipe
    return finer if found >= FEWEST_EXAMPLES else recipe


def _cut_all(sessions: Sequence[Session], recipe: Recipe) -> tuple[int, int]:
    """How many examples the sessions give, and how many messages lose text or are lost."""
    examples = lost = 0
    for session in sessions:
        some, dropped = _session_chunks(session, "train", recipe)
        examples += len(some)
        lost += dropped.total() + sum(len(chunk.problems) for chunk in some)
    return examples, lost


def _share(share: float, total: int) -> int:
    return max(1, round(share * total)) if share and total >= FEW_SESSIONS else 0


def _limited(
    sessions: Sequence[Session], splits: Sequence[Split], limit: int
) -> tuple[list[Session], Counter[str]]:
    """Replies that the train sessions give to one person for more than the `limit`th time, earliest
    first, become context: a model that learns a thousand times "ok" says nothing else."""
    dropped: Counter[str] = Counter()
    limited = list(sessions)
    if limit == 0:
        return limited, dropped
    seen: Counter[tuple[int | None, str]] = Counter()
    train = [i for i, name in enumerate(splits) if name == "train"]
    for i in sorted(train, key=lambda i: sessions[i].start):
        lines = list(sessions[i].lines)
        to: int | None = None
        for at, line in enumerate(lines):
            if not line.learned:
                to = line.person
                continue
            reply = (to, normalised(line.turn.text))
            seen[reply] += 1
            if seen[reply] > limit:
                lines[at] = _as_context(line)
                dropped[SAME_REPLY] += len(line.turn.messages)
        limited[i] = replace(sessions[i], lines=tuple(lines))
    return limited, dropped


def normalised(text: str) -> str:
    """`text` without case, punctuation and width of spaces; as it is where nothing else is in it."""
    words = WORD.findall(unicodedata.normalize("NFKC", text).casefold())
    return " ".join(words) or text


def _as_context(line: Line) -> Line:
    return replace(line, turn=replace(line.turn, weight=0)) if line.turn.role == "assistant" else line


def _session_chunks(session: Session, name: Split, recipe: Recipe) -> tuple[list[Chunk], Counter[str]]:
    """Every chunk ends on a learned reply; every reply of the session is learned in one of them."""
    system = Turn(role="system", sender="", text=session.system)
    room = recipe.max_tokens - session.overhead
    steps, rest = _steps(session.lines)
    dropped = Counter({TAIL: _lost(rest)})
    if room < LEAST_ROOM:
        dropped[TOO_LONG] += sum(_lost(step) for step in steps)
        return [], dropped
    made = []
    window: list[Line] = []
    used = 0

    def close() -> None:
        turns = tuple(line.turn for line in window)
        made.append(
            Chunk(
                index=0,
                split=name,
                conversation=session.conversation,
                title=session.title,
                tokens=session.overhead + used,
                turns=(system, *turns) if session.system else turns,
            )
        )

    for step in steps:
        cost = _cost(step)
        if window and used + cost <= room:
            window += step
            used += cost
            continue
        context = []
        if window:
            close()
            context = [_as_context(line) for line in window[max(0, len(window) - recipe.overlap) :]]
        if cost > room:
            step, lost = fitted(step, room, recipe.join)
            dropped[TOO_LONG] += lost
            cost = _cost(step)
        while context and _cost(context) + cost > room:
            context.pop(0)
        window = [*context, *step]
        used = _cost(window)
    if window:
        close()
    return made, dropped


def _steps(lines: Sequence[Line]) -> tuple[list[list[Line]], list[Line]]:
    """Lines up to and with a learned reply, again and again; and what comes after the last one."""
    steps: list[list[Line]] = []
    current: list[Line] = []
    for line in lines:
        current.append(line)
        if line.learned:
            steps.append(current)
            current = []
    return steps, current


def _cost(lines: Iterable[Line]) -> int:
    return sum(line.cost for line in lines)


def _lost(lines: Iterable[Line]) -> int:
    # A reply that is only context was counted when it became that.
    return sum(len(line.turn.messages) for line in lines if line.turn.weight != 0)
