"""The generation processes of this server: they start when a model is asked for, and end when none asks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic

from engine.local.generation import pipe
from engine.local.generation.host import BEAT_SECONDS, Host, Key
from engine.local.guard import ApiError
from engine.local.trainers import ChatMessage, Piece


class Part(Piece, frozen=True):
    """A piece of a generated reply. prompt_tokens: in the first one. finish: in the last one.

    waiting: nothing new, only a sign of life.
    """

    prompt_tokens: int | None = None
    finish: str | None = None
    logprobs: tuple[pipe.ChosenToken, ...] = ()
    waiting: bool = False


class HostedModel:
    """A base model, or one of its adapters, that a process speaks for. Making one loads nothing."""

    def __init__(self, hosts: Hosts, key: Key, adapter: Path | None = None) -> None:
        self._hosts = hosts
        self._key = key
        self._adapter = adapter

    async def reply(
        self,
        messages: list[ChatMessage],
        *,
        temperature: float,
        top_p: float,
        max_tokens: int | None,
        stop: list[str],
        seed: int | None,
        top_logprobs: int | None,
    ) -> AsyncGenerator[Part, None]:
        """The reply, piece by piece; close it to stop. Loads the model first, and says so meanwhile.

        max_tokens: None for the usual limit. top_logprobs: None for no logprobs. Raises ApiError.
        """
        ask = pipe.Ask(
            0,
            tuple(messages),
            str(self._adapter) if self._adapter else None,
            temperature,
            top_p,
            max_tokens,
            tuple(stop),
            seed,
            top_logprobs,
        )
        async with self._hosts.using(self._key) as (host, loading):
            while not (await asyncio.wait({loading}, timeout=BEAT_SECONDS))[0]:
                yield Part("", 0, waiting=True)
            loading.result()
            events = host.reply(ask)
            try:
                async for event in events:
                    if event is None:
                        yield Part("", 0, waiting=True)
                    elif isinstance(event, pipe.Began):
                        yield Part("", 0, prompt_tokens=event.tokens)
                    elif isinstance(event, pipe.Said):
                        yield Part(event.text, event.tokens, logprobs=event.logprobs)
                    else:
                        yield Part("", 0, finish=event.finish)
            finally:
                await events.aclose()


class Hosts:
    """One per server. log: of all processes. idle_seconds: how long a model stays loaded unasked."""

    def __init__(self, log: Path, idle_seconds: Callable[[], float]) -> None:
        self._log = log
        self._idle_seconds = idle_seconds
        self._hosts: dict[Key, tuple[Host, asyncio.Task[None]]] = {}
        self._making_room = asyncio.Lock()

    @asynccontextmanager
    async def using(self, key: Key) -> AsyncIterator[tuple[Host, asyncio.Task[None]]]:
        """The process for `key` and the task that loads it, which may not be done. It stays while in use."""
        if key not in self._hosts or not self._hosts[key][0].alive:
            fresh = Host(key)
            self._hosts[key] = fresh, asyncio.get_running_loop().create_task(self._load(fresh))
        host, loading = self._hosts[key]
        host.users += 1
        try:
            yield host, loading
        finally:
            host.users -= 1
            host.last_use = monotonic()
            loaded = loading.done() and not loading.cancelled() and loading.exception() is None
            if not host.users and not loaded:
                self._end(host)
            elif not host.users:
                seconds = self._idle_seconds()
                asyncio.get_running_loop().call_later(seconds, self._end_if_idle, host, host.last_use)

    def forget(self, folder: Path) -> None:
        """The adapters below `folder` are deleted."""
        for host, _ in self._hosts.values():
            host.forget(folder)

    def unload(self) -> None:
        """End every process that nobody uses now."""
        for host, _ in list(self._hosts.values()):
            if not host.users:
                self._end(host)

    async def close(self) -> None:
        """End all processes, and wait until they have."""
        hosts = [host for host, _ in self._hosts.values()]
        for host in hosts:
            self._end(host)
        for host in hosts:
            await host.gone()

    async def _load(self, host: Host) -> None:
        await host.start(self._log)
        async with self._making_room:  # two at once would both count on the same free memory
            while short := await host.load():
                others = [other for other, _ in self._hosts.values() if not other.users and other is not host]
                if not others:
                    raise _no_room(short)
                unused = min(others, key=lambda other: other.last_use)
                self._end(unused)
                await unused.gone()

    def _end_if_idle(self, host: Host, last_use: float) -> None:
        if not host.users and host.last_use == last_use:
            self._end(host)

    def _end(self, host: Host) -> None:
        if self._hosts.get(host.key, (None,))[0] is host:
            self._hosts.pop(host.key)[1].cancel()
        host.end()


def _no_room(short: pipe.Short) -> ApiError:
    sentence = (
        f"This model needs about {_gigabytes(short.needed)} of memory and {_gigabytes(short.free)} are free. "
        "Close other programs, wait for a training or a reply to end, or choose a smaller model."
    )
    return ApiError(503, sentence, code="not_enough_memory", kind="server_error")


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
