"""Moments: what stood before each reply that is to be learned, and the reply."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import msgspec

from engine.local.trainers import ChatMessage, Example

WORD = re.compile(r"\w+(?:['’]\w+)?")
# From here on (Chinese, Japanese, Korean) a run of letters is several words: pairs of letters serve as terms.
UNSPACED = "\u2e80"


class Moment(msgspec.Struct, frozen=True):
    """said: the others' turns since the person last spoke. before: the turns before that, newest last.
    system: the system prompt. reply: what the person then said, empty where it is still to be found."""

    said: str
    before: tuple[str, ...]
    system: str
    reply: str = ""


def learned(examples: Iterable[Example]) -> list[list[Moment]]:
    """For each example the moments whose reply counts (role assistant, weight not 0, not blank)."""
    return [
        [
            moment(example.messages[:i], message.content)
            for i, message in enumerate(example.messages)
            if message.role == "assistant" and message.weight != 0 and message.content.strip()
        ]
        for example in examples
    ]


def moment(messages: Sequence[ChatMessage], reply: str = "") -> Moment:
    """The moment after `messages`."""
    system = "\n".join(message.content for message in messages if message.role in ("system", "developer"))
    turns = [message for message in messages if message.role in ("user", "assistant")]
    last = len(turns)
    while last and turns[last - 1].role == "user":
        last -= 1
    return Moment(
        said=_clean("\n".join(turn.content for turn in turns[last:])),
        before=tuple(_clean(turn.content) for turn in turns[max(0, last - 4) : last]),
        system=_clean(system),
        reply=_clean(reply).strip(),
    )


def terms(text: str) -> list[str]:
    """The words of `text` for retrieval: lower case, plural and possessive endings cut."""
    found: list[str] = []
    for word in WORD.findall(text.lower().replace("’", "'")):
        if word[0] >= UNSPACED:
            found += [word[i : i + 2] for i in range(max(1, len(word) - 1))]
        elif word.endswith("'s"):
            found.append(word[:-2])
        elif len(word) > 3 and word.endswith("s") and not word.endswith("ss"):
            found.append(word[:-1])
        else:
            found.append(word)
    return found


def weighted_terms(moment: Moment) -> dict[str, float]:
    """The terms that a moment is found by: weight 1 for what was just said, less for what stood before.

    A few marks that are no words (a question, its length, an opening) let moments without a common word
    still be more or less alike.
    """
    weights: dict[str, float] = {}
    for text, weight in (
        (moment.system, 0.1),
        *((turn, 0.15 * (i + 1) / len(moment.before)) for i, turn in enumerate(moment.before)),
        (moment.said, 1.0),
    ):
        for term in terms(text):
            weights[term] = min(2.0, weights.get(term, 0.0) + weight)
    words = len(terms(moment.said))
    weights[" question" if "?" in moment.said else " statement"] = 0.3
    weights[f" length {min(words, 24).bit_length()}"] = 0.3
    if not moment.before:
        weights[" opening"] = 0.3
    return weights


def origin(moment: Moment) -> str:
    """A learned moment as one line: what was said and what the person answered."""
    said, reply = (" / ".join(text.split("\n")) for text in (moment.said, moment.reply))
    return f"{said[-160:]} → {reply[:240]}" if said else reply[:240]


def _clean(text: str) -> str:
    """Lone surrogates (broken exports) cannot be written as UTF-8: they become question marks."""
    return text.encode("utf-8", "replace").decode()
