"""With which model one chats, and what its provider and the studio know of it. Runs in workers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from engine.errors import BusyError, StudioError

if TYPE_CHECKING:
    from engine.archive import Studio
    from engine.archive.rows import ChatRow
    from engine.chat import Piece
    from engine.providers import Connection
    from tui.app import UnderstudyApp


T = TypeVar("T")

Saving = asyncio.Task["ChatRow"]
"""Something of a chat on its way into the studio."""
MOMENT = 0.5
"""Seconds that a question waits for being saved."""
TITLE = 60
"""Letters of a chat's first message that name it."""


class Partner(NamedTuple):
    """Whom one talks to. system: the prompt it hears, "" for none."""

    model: str
    provider: str
    system: str = ""


class Choice(NamedTuple):
    """A model that can be chosen. what: a few words about it."""

    model: str
    provider: str
    what: str


async def newest(studio: Studio) -> Partner | None:
    """The model of the newest job that succeeded."""
    from engine.archive import jobs

    for job in await jobs.jobs(studio):
        if job.status == "succeeded" and job.model:
            return Partner(job.model, job.provider, job.system)
    return None


async def partner(studio: Studio, model: str, provider: str | None = None) -> Partner:
    """`model` with the provider and the system prompt of the job that made it, where that is known."""
    from engine.archive import jobs
    from engine.chat import system_prompt

    if provider is None:
        try:
            provider = (await jobs.job(studio, model)).provider
        except StudioError:
            provider = "local"
    return Partner(model, provider, await system_prompt(studio, model))


async def choices(app: UnderstudyApp) -> tuple[list[Choice], list[str]]:
    """Every model one can chat with now, by provider, and why a provider gives none."""
    from engine.archive import jobs
    from engine.providers import models, providers
    from engine.providers.presets import key_of

    studio = await app.studio()
    found: dict[tuple[str, str], Choice] = {}
    for job in await jobs.jobs(studio):
        if job.model:
            found[(job.provider, job.model)] = Choice(job.model, job.provider, place(job.provider))
    silent = []
    for one in providers():
        try:
            key_of(one)
        except StudioError:
            continue  # without a key nothing of theirs can be used
        try:
            listed = await models(await app.connection(one.name))
        except StudioError as error:
            silent.append(error.message)
            continue
        for model in listed:
            what = f"base · {place(one.name)}" if model.base else place(one.name)
            found.setdefault((one.name, model.id), Choice(model.id, one.name, what))
    return sorted(found.values(), key=_order(list(found.values()))), silent


def place(provider: str) -> str:
    """Where a provider's models run, in words."""
    return "this machine" if provider == "local" else provider


def _order(choices: Sequence[Choice]) -> Callable[[Choice], tuple[int, int]]:
    """As they are, but the checkpoints of a model right after it, by step."""
    order = {choice.model: at for at, choice in reversed(list(enumerate(choices)))}

    def after(choice: Choice) -> tuple[int, int]:
        model, _, step = choice.model.partition(":ckpt-step-")
        return order.get(model, order[choice.model]), int(step) if step.isdecimal() else -1

    return after


async def save_said(
    app: UnderstudyApp,
    asked: Partner,
    chat: ChatRow | None,
    before: Saving | None,
    said: str | None,
    drop: int,
) -> ChatRow:
    """Save what was said: the chat that has it as its last turn.

    chat: None begins a new one. before: what of this chat is being saved, which comes first. said: None
    where it is saved already and only the reply is asked for again. drop: saved turns to take back first.
    """
    from engine.archive import chats

    studio = await app.studio()
    if before is not None:
        with suppress(StudioError):  # it was told; what is said now can be saved all the same
            chat = await before
    if chat is None:
        title = " ".join((said or "").split())[:TITLE]
        chat = await _patiently(lambda: chats.create_chat(studio, title, *asked))
    id = chat.id
    if drop:
        kept = (await chats.chat_turns(studio, id))[:-drop]
        await _patiently(lambda: chats.delete_turns_after(studio, id, kept[-1].id if kept else 0))
    if said is not None:
        await _patiently(lambda: chats.add_turn(studio, id, "user", said))
    return chat


async def save_reply(app: UnderstudyApp, before: Saving, text: str, last: Piece | None) -> ChatRow:
    """Save a reply as far as it came, behind what it answers: its chat."""
    from engine.chat import keep

    chat, studio = await before, await app.studio()
    await _patiently(lambda: keep(studio, chat.id, None, text, last))
    return chat


async def _patiently(write: Callable[[], Awaitable[T]]) -> T:
    """Another program's import may last longer than a write waits; nobody waits for this one."""
    while True:
        with suppress(BusyError):
            return await write()


async def talk(
    app: UnderstudyApp, asked: Partner, saving: Saving, turns: Sequence[tuple[str, str]]
) -> AsyncIterator[Piece]:
    """The reply, piece by piece. turns: (role, text), all that the model shall hear.

    What cannot be saved is not asked either; but where that takes longer than a moment, an import has the
    studio for itself, and nobody need wait for its end.
    """
    done, _ = await asyncio.wait({saving}, timeout=MOMENT)
    for saved in done:
        saved.result()
    connection = await app.connection(asked.provider)
    async with aclosing(reply(connection, asked, turns)) as pieces:  # type: ignore[type-var]
        async for piece in pieces:
            yield piece


async def reply(
    connection: Connection, asked: Partner, turns: Sequence[tuple[str, str]]
) -> AsyncIterator[Piece]:
    """The reply, piece by piece. A local provider that has ended meanwhile is started again, once."""
    from engine.chat import ChatSettings, stream

    settings = ChatSettings(model=asked.model, system=asked.system)
    begun = False
    try:
        async with aclosing(stream(connection, settings, turns)) as pieces:  # type: ignore[type-var]
            async for piece in pieces:
                begun = True
                yield piece
        return
    except StudioError as error:
        if begun or not connection.provider.stays_here or not _gone(error):
            raise
    await connection.reopen()
    async with aclosing(stream(connection, settings, turns)) as pieces:  # type: ignore[type-var]
        async for piece in pieces:
            yield piece


def _gone(error: StudioError) -> bool:
    """Whether the server was not there, or another one was that does not know our token."""
    import openai

    return isinstance(error.__cause__, openai.APIConnectionError | openai.AuthenticationError)
