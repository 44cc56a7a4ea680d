"""understudy chat, models and providers: talk to a model, and see which there are."""

from __future__ import annotations

import argparse
import sys

from engine import config
from engine.archive import JobRow, Studio, jobs, open_studio
from engine.chat import ChatSettings, stream, system_prompt
from engine.cli.opening import local_provider
from engine.cli.output import ask, day, emit, out, say, table
from engine.errors import StudioError
from engine.folders import studio_path
from engine.providers import Connection, Provider, connect, delete_model, provider
from engine.providers import models as list_models
from engine.providers import providers as list_providers
from engine.providers.presets import services
from engine.safe_text import harmless


async def chat(args: argparse.Namespace) -> int:
    job, trained_with = await _known(args)
    model = job.model if job and args.model in (None, job.suffix) else args.model
    if model is None and args.provider:
        raise StudioError(
            f"This studio knows no fine-tuned model of {args.provider}.",
            f"Name a model: `understudy models --provider {args.provider}` lists what there is.",
        )
    if model is None:
        raise StudioError(
            "There is no fine-tuned model yet.",
            "`understudy train --ai NAME --follow` makes one; `understudy models` lists what there is.",
        )
    name = args.provider or (job.provider if job else config.load().settings.provider)
    base_url = args.base_url or (job.base_url if job and name == job.provider else None)
    chosen = provider(name, base_url=base_url, key_env=args.key_env)
    if chosen.stays_here and "/" in model:
        from engine.providers.base_models import as_named

        model = as_named(model)
    system = args.system if args.system is not None else trained_with
    settings = ChatSettings(model=model, system=system, temperature=args.temperature, seed=args.seed)
    prompt = args.prompt
    if prompt is None and not sys.stdin.isatty():
        prompt = sys.stdin.read()
    if prompt is not None and not prompt.strip():
        raise StudioError("There is nothing to send.", 'Give a message: understudy chat -p "hello".')
    async with await connect(chosen, local_provider(args)) as connection:
        if prompt is not None:
            await _reply(args, connection, settings, [("user", prompt.strip())])
        else:
            await _talk(args, connection, settings)
    return 0


async def _talk(args: argparse.Namespace, connection: Connection, settings: ChatSettings) -> None:
    """A conversation at the terminal, until an empty line's end of input."""
    say(f"{settings.model}. An empty line or ctrl+d ends the chat.")
    turns: list[tuple[str, str]] = []
    while True:
        try:
            line = input("> ").strip()  # nothing else runs while a person types
        except EOFError:
            return
        if not line:
            return
        turns.append(("user", line))
        turns.append(("assistant", await _reply(args, connection, settings, turns)))


async def _reply(
    args: argparse.Namespace, connection: Connection, settings: ChatSettings, turns: list[tuple[str, str]]
) -> str:
    text = ""
    async for piece in stream(connection, settings, turns):
        text += piece.text
        if piece.text and not args.json:
            print(harmless(piece.text), end="", flush=True)
        if piece.done and args.json:
            emit(
                {
                    "model": settings.model,
                    "text": text,
                    "tokens": piece.tokens,
                    "first_token": piece.first_token,
                    "seconds": piece.seconds,
                    "finish": piece.finish,
                    "origin": piece.origin,
                    "similarity": piece.similarity,
                }
            )
    if not args.json:
        out("")
    return text


async def _known(args: argparse.Namespace) -> tuple[JobRow | None, str]:
    """The job behind the model to talk to, and the system prompt that it was trained with."""
    path = studio_path(args.studio)
    if not path.exists():
        return None, ""
    async with await open_studio(path) as studio:
        job = await _behind(studio, args.model, args.provider)
        if job is None and args.model:
            return None, await system_prompt(studio, args.model)
        return job, job.system if job else ""


async def _behind(studio: Studio, model: str | None, at: str | None) -> JobRow | None:
    """model: its id, a checkpoint's, or the suffix that the job was given; None for the newest model. at: the
    provider that was named: what is a suffix at one may be a whole id at another, and the newest is its own.

    Raises StudioError where several models have that suffix.
    """
    done = [row for row in await jobs.jobs(studio) if row.model]
    if model is None:
        return next((row for row in done if at in (None, row.provider)), None)
    for row in done:
        if model == row.model or model.startswith(f"{row.model}:"):
            return row
    named = [row for row in done if row.suffix and row.suffix == model and at in (None, row.provider)]
    if len(named) > 1:
        ids = ", ".join(str(row.model) for row in named[:5])
        raise StudioError(f'{len(named)} models have the suffix "{model}".', f"Name one of them: {ids}.")
    return named[0] if named else None


async def models(args: argparse.Namespace) -> int:
    if args.action == "export":
        from engine.cli.exporting import export

        return await export(args)
    chosen = provider(
        args.provider or config.load().settings.provider, base_url=args.base_url, key_env=args.key_env
    )
    if args.action == "delete":
        return await _delete(args, chosen)
    async with await connect(chosen, local_provider(args)) as connection:
        rows = await list_models(connection)
    if not rows:
        say(f"There is no model at {chosen.host} yet.")
    for row in rows:
        if args.json:
            emit(
                {
                    "id": row.id,
                    "owned_by": row.owned_by,
                    "fine_tuned": row.fine_tuned,
                    "base": row.base,
                    "shutdown_date": row.shutdown_date,
                }
            )
    if not args.json:
        table(
            [
                (
                    row.id,
                    "fine-tuned" if row.fine_tuned else "base" if row.base else "",
                    day(row.created * 1000) if row.created else "",
                    f"until {row.shutdown_date}" if row.shutdown_date else "",
                )
                for row in rows
            ]
        )
    return 0


async def _delete(args: argparse.Namespace, chosen: Provider) -> int:
    if not args.model:
        raise StudioError("No model is named.", "`understudy models` lists them.")
    if not args.yes:
        if not sys.stdin.isatty():
            raise StudioError(
                f"{args.model} would be deleted, and nobody is here to agree.", "Add --yes if you do."
            )
        if ask(f"Delete {args.model} for good? [y/N]").lower() not in ("y", "yes"):
            raise StudioError("Nothing was deleted.")
    async with await connect(chosen, local_provider(args)) as connection:
        await delete_model(connection, args.model)
    if args.json:
        emit({"id": args.model, "deleted": True})
    else:
        say(f"{args.model} is deleted.")
    return 0


async def providers(args: argparse.Namespace) -> int:
    listed = list_providers()
    names = {row.name for row in listed}
    # Where everybody has an address of their own, one stands for it.
    others = [
        provider(one.name, base_url=one.example or None)
        for one in services().values()
        if one.name not in names
    ]
    for row in [*listed, *others]:
        if args.json:
            emit(
                {
                    "name": row.name,
                    "base_url": row.base_url,
                    "calls": sorted(row.calls),
                    "base_models": list(row.base_models),
                    "stays_here": row.stays_here,
                    "key_env": row.key_env,
                    "note": row.note,
                }
            )
        else:
            out(f"{row.name:<11}{', '.join(sorted(row.calls))}")
            out(f"{'':<11}{row.note}")
    return 0
