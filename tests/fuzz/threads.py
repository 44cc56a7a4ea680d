"""Thread files of Messenger."""

from __future__ import annotations

import json
import random
from functools import lru_cache
from typing import Any

from mutation import mutate

T = 1_700_000_000_000

ODD_VALUES = (
    *(b"null", b"true", b"-1", b"1e999", b"99999999999999999999", b"[]", b"{}", b'""', b'"\\ud83d"'),
    *(b'"\\u0000"', b"[[[[", b'{"a":', b"\xff", b'"\\u00c3\\u00a9"', b"NaN", b"0.5", b"[" * 5000),
    *(b'{"name": 3}', b'[{"uri": null}]', b"\xef\xbb\xbf", b'},{"sender_name"', b'"messages":[', b"]}"),
)
_ODD_THINGS: tuple[Any, ...] = (
    *(None, True, 0, -1, 1.5, 1e308, 2**63, 10**30, "", "\0", "Zo\u00c3\u00ab", "\ud83d", "x" * 5000, [], {}),
    *([None], [[[]]], {"name": None}, {"uri": 3}, [{"uri": None}], [{"reaction": "x", "actor": None}]),
    *(253_402_300_799_999, "Facebook user", "You missed a call from X.", {"link": 0}, T),
)


def thread() -> dict[str, Any]:
    names = [{"name": "Hare"}, {"name": "Tortoise"}]
    messages: list[dict[str, Any]] = [
        {"sender_name": "Hare", "timestamp_ms": T + n, "content": "Zo\u00c3\u00ab!", "is_unsent": False}
        for n in range(6)
    ]
    for n in (1, 3, 5):
        reactions = [{"reaction": "x", "actor": "Hare", "timestamp": 1}]
        messages[n] |= {"photos": [{"uri": "a.jpg"}], "reactions": reactions}
    messages[4] |= {"call_duration": 3, "share": {"link": "https://x.org"}, "sticker": {"uri": "s"}}
    return {"participants": names, "messages": messages, "title": "Race", "thread_path": "inbox/race_1"}


def locked_thread() -> dict[str, Any]:
    """The other shape, of end-to-end encrypted chats."""
    message = {"senderName": "Hare", "timestamp": T, "text": "hi", "type": "text", "isUnsent": False}
    messages = [message | {"media": [{"uri": "a.mp4"}], "reactions": []} for _ in range(4)]
    return {"participants": ["Hare", "Tortoise"], "threadName": "Race_1", "messages": messages}


@lru_cache
def sound_json() -> tuple[bytes, ...]:
    return json.dumps(thread(), indent=1).encode(), json.dumps(locked_thread()).encode()


def _replaced(chance: random.Random, value: Any) -> Any:
    """The same tree with one odd thing somewhere."""
    if chance.random() < 0.15 or not isinstance(value, dict | list) or not value:
        return chance.choice(_ODD_THINGS)
    if isinstance(value, dict):
        key = chance.choice(list(value))
        if chance.random() < 0.1:
            return {name: item for name, item in value.items() if name != key}
        return value | {key: _replaced(chance, value[key])}
    at = chance.randrange(len(value))
    if chance.random() < 0.1:
        return value[:at] + value[at:] * 2
    return [*value[:at], _replaced(chance, value[at]), *value[at + 1 :]]


def thread_json(chance: random.Random) -> bytes:
    if chance.random() < 0.4:
        made: Any = thread() if chance.random() < 0.6 else locked_thread()
        for _ in range(chance.choice((1, 2, 5))):
            made = _replaced(chance, made)
        return json.dumps(made, ensure_ascii=chance.random() < 0.7).encode("utf-8", "surrogatepass")
    return mutate(chance, chance.choice(sound_json()), ODD_VALUES)
