"""A model that computes no numbers, and a process that says nothing sensible: told, and never waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest

from engine.local.generation import pipe
from engine.local.generation.host import Host, Key
from engine.local.generation.talk import talk

LETTERS: Any = SimpleNamespace(
    ends=frozenset({2}),
    penalty=1.0,
    in_parts=True,
    bytewise=True,
    decode=lambda tokens: "".join("abc"[token] for token in tokens),
    stands_for=lambda token: ("abc"[token], b"abc"[token : token + 1]),
)


class Always:
    """Gives the same logits at every step."""

    def __init__(self, *logits: float) -> None:
        self._logits = np.asarray(logits, np.float32)

    def logits(self, tokens: Sequence[int]) -> Any:
        return self._logits


@pytest.mark.parametrize("broken", [(0, float("nan"), 1), (float("inf"), 0, 0), (-float("inf"),) * 3])
def test_a_model_that_computes_no_numbers_says_so(broken: tuple[float, ...]) -> None:
    with pytest.raises(FloatingPointError, match="computes no numbers"):
        list(talk(pipe.Ask(1, ()), [0], 3, LETTERS, Always(*broken)))


def test_an_impossible_token_has_a_log_probability_that_can_be_sent() -> None:
    ask = pipe.Ask(1, (), temperature=0, top_logprobs=3)
    said = list(filter(None, talk(ask, [0], 2, LETTERS, Always(1, -float("inf"), 0))))
    assert len(said) > 1
    for event in said:
        assert msgspec.json.decode(msgspec.json.encode(event), type=pipe.Event) == event


@pytest.mark.parametrize("said", ["no JSON", '{"type":"Said","number":1,"text":null,"tokens":1}'])
def test_nobody_waits_for_a_process_that_is_not_understood(said: str) -> None:
    async def waited() -> Host:
        host = Host(Key(Path("/model"), "torch", False))
        process = await asyncio.create_subprocess_exec(
            "/bin/sh", "-c", f"echo '{said}'; exec sleep 600", stdout=asyncio.subprocess.PIPE
        )
        await host._read(process)
        assert process.returncode is not None
        return host

    host = asyncio.run(waited())
    assert not host.alive
    assert host._about_base.get_nowait() is None
