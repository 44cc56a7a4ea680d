"""Reading a training file: JSON lines in OpenAI's chat format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from engine.errors import DataError
from engine.local.trainers import Example

MIN_EXAMPLES = 10
_TOLD = 5
ROLES = frozenset({"system", "user", "assistant"})


def read(path: Path) -> list[Example]:
    """Every example of the file, in order. Raises DataError as `count` does."""
    found: list[Example] = []
    _look(path, found.append)
    return found


def count(path: Path) -> int:
    """How many examples the file holds.

    As at OpenAI, one bad line refuses the file: whoever sent it knows no other that would be trained. Raises
    DataError with how many lines are bad, and the numbers of the first with what is wrong with each.
    """
    return _look(path, lambda _: None)


def _look(path: Path, keep: Callable[[Example], object]) -> int:
    decoder = msgspec.json.Decoder(Example)
    good, bad, told = 0, 0, []
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                example = decoder.decode(line)
                problem = _problem(example)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                problem = f"it is not a chat example ({error})"
            except RecursionError:
                problem = "it is not a chat example (it is nested too deeply)"
            if problem is None:
                good += 1
                keep(example)
                continue
            bad += 1
            if bad <= _TOLD:
                told.append(f"line {number:,}: {problem}")
    if bad:
        lines = "1 line" if bad == 1 else f"{bad:,} lines"
        more = f"; and {bad - _TOLD:,} more" if bad > _TOLD else ""
        raise DataError(f"{lines} of {good + bad:,} cannot be trained on: {'; '.join(told)}{more}.")
    return good


def _problem(example: Example) -> str | None:
    for message in example.messages:
        if message.role not in ROLES:
            return "a message's role is none of system, user and assistant"
        if message.weight not in (None, 0, 1):
            return "a message's weight is neither 0 nor 1"
    replies = [message for message in example.messages if message.role == "assistant"]
    if not replies:
        return "there is no assistant message to learn from"
    if all(message.weight == 0 for message in replies):
        return "every assistant message has weight 0, so there is nothing to learn"
    return None
