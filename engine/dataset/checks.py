"""The checks that a service makes of a training file, made here before anything is sent.

Source: OpenAI's cookbook "Data preparation and analysis for chat model fine-tuning" (the codes are
its own where it has one) and the refusals of the fine-tuning service.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec

from engine import tokens
from engine.errors import StudioError

MIN_EXAMPLES = 10
MAX_TOKENS = 65_536
MAX_BYTES = 512_000_000

EXAMPLE_KEYS = {"messages", "tools", "functions", "parallel_tool_calls"}
MESSAGE_KEYS = {"role", "content", "name", "weight", "function_call", "tool_calls", "tool_call_id", "refusal"}
ROLES = {"system", "developer", "user", "assistant", "function", "tool"}

SPECIAL_TEXT = re.compile(
    r"<\|(?:endoftext|startoftext|endofprompt|fim_prefix|fim_middle|fim_suffix|im_start|im_end|im_sep"
    r"|start|end|message|channel|constrain|return|call|reserved_\d+)\|>"
)


class Problem(msgspec.Struct, frozen=True):
    """code: for programs. message: one plain sentence. chunk: the example's place (from 0; in a file
    its line less one), None for the whole. An error is refused by a service; a warning is not."""

    code: str
    message: str
    chunk: int | None = None
    severity: Literal["error", "warning"] = "error"


def check(
    examples: Iterable[Any],
    *,
    min_examples: int = MIN_EXAMPLES,
    max_tokens: int = MAX_TOKENS,
    max_bytes: int = MAX_BYTES,
) -> list[Problem]:
    """What is wrong with the examples (OpenAI's chat format). The limits are the provider's:
    max_tokens an example, max_bytes for all of them."""
    return _check_all(enumerate(examples), min_examples, max_tokens, max_bytes)[1]


def check_file(
    path: Path,
    *,
    min_examples: int = MIN_EXAMPLES,
    max_tokens: int = MAX_TOKENS,
    max_bytes: int = MAX_BYTES,
) -> tuple[int, list[Problem]]:
    """How many examples a file holds, and what is wrong with it. Any file will do; StudioError only
    where it cannot be read at all."""
    try:
        size = path.stat().st_size
        if not path.is_file():  # a pipe or a device may never end
            raise StudioError(f"{path} is no file.", "Give a JSON Lines file.")
        with path.open("rb") as file:
            start = file.read(65_536)
            if not start.strip():
                return 0, [Problem("empty_file", "The file is empty.")]
            if b"\0" in start:
                return 0, [
                    Problem("not_text", "The file is not text in UTF-8; a training file is JSON Lines.")
                ]
            if size > max_bytes:
                return 0, [_too_large(size, max_bytes)]
            file.seek(0)
            return _check_all(_read(file), min_examples, max_tokens, max_bytes)
    except OSError as error:
        raise StudioError(f"{path} cannot be read ({error.strerror}).", "Give a JSON Lines file.") from None


def _read(lines: Iterable[bytes]) -> Iterator[tuple[int, Any]]:
    """The line number (from 0) and the value of each line, or the Problem that it is."""
    for number, line in enumerate(lines):
        if number == 0 and line.startswith(b"\xef\xbb\xbf"):
            line = line[3:]
            said = "The file starts with a byte order mark; save it as UTF-8 without one."
            yield number, Problem("byte_order_mark", said, number)
        if not line.strip():
            yield number, Problem("blank_line", f"Line {number + 1} is blank.", number, "warning")
            continue
        if number == 0 and line.lstrip().startswith(b"["):
            said = "The file is a JSON array; a training file has one JSON object a line."
            yield number, Problem("json_array", said, number)
            return
        try:
            yield number, msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            yield number, Problem("not_json", f"Line {number + 1} is not a JSON object.", number)


def _check_all(
    values: Iterable[tuple[int, Any]], min_examples: int, max_tokens: int, max_bytes: int
) -> tuple[int, list[Problem]]:
    problems: list[Problem] = []
    count = size = 0
    without = {"system": 0, "user": 0}
    for index, value in values:
        if isinstance(value, Problem):
            problems.append(value)
            continue
        count += 1
        bytes_here = _bytes(value)
        size += bytes_here
        found = list(_check_example(value, index))
        problems += found
        messages = value.get("messages") if isinstance(value, dict) else None
        if not isinstance(messages, list) or not messages:
            continue
        messages = [message for message in messages if isinstance(message, dict)]
        roles = {message.get("role") for message in messages if isinstance(message.get("role"), str)}
        without["system"] += not roles & {"system", "developer"}
        without["user"] += "user" not in roles
        # No text has more tokens than bytes, so that most examples need no counting.
        if bytes_here > max_tokens and (used := example_tokens(messages)) > max_tokens:
            said = (
                f"Example {index + 1} has {used:,} tokens; what is over {max_tokens:,} is cut from its end."
            )
            problems.append(Problem("too_many_tokens", said, index, "warning"))
    if count < min_examples:
        said = f"There are {count} examples; at least {min_examples} are needed."
        problems.append(Problem("invalid_n_examples", said))
    if size > max_bytes:
        problems.append(_too_large(size, max_bytes))
    for role, times in without.items():
        if times:
            said = f"{times:,} of {count:,} examples {'has' if times == 1 else 'have'} no {role} message."
            problems.append(Problem(f"missing_{role}", said, None, "warning"))
    return count, problems


def example_tokens(messages: Iterable[dict[str, Any]]) -> int:
    """OpenAI's count of an example: 3 a message, its texts, 1 a name, and 3."""
    texts: list[str] = []
    total = 3
    for message in messages:
        total += 3 + ("name" in message)
        texts += [value for value in message.values() if isinstance(value, str)]
    return total + sum(tokens.count_all(texts))


def _check_example(example: Any, index: int) -> Iterator[Problem]:
    name = f"Example {index + 1}"

    def problem(code: str, rest: str, severity: Literal["error", "warning"] = "error") -> Problem:
        return Problem(code, f"{name} {rest}.", index, severity)

    if not isinstance(example, dict):
        yield problem("data_type", "is not a JSON object")
        return
    for key in sorted(example.keys() - EXAMPLE_KEYS, key=str):
        yield problem("example_unrecognized_key", f"has the unknown key {_shown(key)}")
    messages = example.get("messages")
    if not isinstance(messages, list) or not messages:
        yield problem("missing_messages_list", 'has no list of "messages"')
        return
    for number, message in enumerate(messages, 1):
        for code, rest, severity in _check_message(message):
            yield Problem(code, f"{name}, message {number}, {rest}.", index, severity)
    replies = [m for m in messages if isinstance(m, dict) and m.get("role") == "assistant"]
    if not replies:
        yield problem(
            "example_missing_assistant_message", "has no assistant message: nothing is learned from it"
        )
    elif all(_weighs_nothing(reply) for reply in replies):
        yield problem(
            "nothing_learned", "has weight 0 on every assistant message: nothing is learned from it"
        )
    elif messages[-1] is not replies[-1]:
        yield problem("last_turn_not_assistant", "does not end on an assistant message", "warning")


def _check_message(message: Any) -> Iterator[tuple[str, str, Literal["error", "warning"]]]:
    if not isinstance(message, dict):
        yield "data_type", "is not a JSON object", "error"
        return
    for key in sorted(message.keys() - MESSAGE_KEYS, key=str):
        yield "message_unrecognized_key", f"has the unknown key {_shown(key)}", "error"
    role = message.get("role")
    if "role" not in message:
        yield "message_missing_key", "has no role", "error"
    elif not isinstance(role, str) or role not in ROLES:
        yield "unrecognized_role", f"has the unknown role {_shown(role)}", "error"
    content = message.get("content")
    if "content" not in message and not _calls(message):
        yield "message_missing_key", "has no content", "error"
    elif not isinstance(content, str):
        if not _calls(message):
            yield "missing_content", "has a content that is not text", "error"
    elif not content and not _calls(message):
        yield "empty_content", "is empty", "error"
    elif content and not content.strip():
        yield "empty_content", "holds nothing but spaces", "warning"
    if isinstance(content, str) and (special := SPECIAL_TEXT.search(content)):
        yield "special_token", f"holds the text of a special token, {special[0]}", "error"
    if "weight" in message:
        weight = message["weight"]
        if role != "assistant":
            yield "invalid_weight", "has a weight, which only assistant messages may have", "error"
        elif isinstance(weight, bool) or weight not in (0, 1):
            yield "invalid_weight", "has a weight that is neither 0 nor 1", "error"


def _calls(message: dict[str, Any]) -> bool:
    return bool(message.get("function_call") or message.get("tool_calls"))


def _weighs_nothing(reply: dict[str, Any]) -> bool:
    weight = reply.get("weight", 1)
    return not isinstance(weight, bool) and weight == 0


def _bytes(value: Any) -> int:
    try:
        return len(msgspec.json.encode(value)) + 1
    except (TypeError, ValueError, RecursionError):
        return 0


def _shown(value: Any) -> str:
    """A foreign value short enough for a sentence."""
    text = repr(value)
    return text if len(text) <= 40 else text[:39] + "…"


def _too_large(size: int, limit: int) -> Problem:
    said = f"The file has {size / 1e6:,.0f} MB; a service takes {limit / 1e6:,.0f} MB."
    return Problem("file_too_large", said)
