"""Reading a training file: JSON lines in OpenAI's chat format."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from engine.errors import DataError
from engine.local.trainers import Example

MIN_EXAMPLES = 10
ROLES = frozenset({"system", "user", "assistant"})


def read(path: Path) -> Iterator[Example]:
    """Every example of the file, in order. Raises DataError with the first line that is not one."""
    decoder = msgspec.json.Decoder(Example)
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                example = decoder.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise DataError(f"Line {number} is not a chat example: {error}.") from None
            except RecursionError:
                raise DataError(f"Line {number} is not a chat example: it is nested too deeply.") from None
            if problem := _problem(example):
                raise DataError(f"Line {number}: {problem}.")
            yield example


def count(path: Path) -> int:
    """How many examples the file holds. Raises DataError as `read` does."""
    return sum(1 for _ in read(path))


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
