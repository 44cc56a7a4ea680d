"""understudy train and jobs: start fine-tuning, follow it, steer it."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from engine import config
from engine.archive import EventRow, JobRow, Studio
from engine.archive import jobs as known
from engine.cli.chunking import chosen_recipe, summary
from engine.cli.opening import ai_person, existing_studio, local_provider
from engine.cli.output import ask, clock, emit, minute, number, out, plural, say, table
from engine.conversation import iso
from engine.dataset import load, make
from engine.errors import StudioError
from engine.providers import (
    FINAL,
    Connection,
    Plan,
    Provider,
    TrainSettings,
    cancel,
    checkpoints,
    connect,
    follow,
    only_chats,
    pause,
    plan,
    provider,
    resume,
)
from engine.providers import train as start
from engine.providers.base_models import as_named, base_model, is_open_model

_LOG_BYTES = 1_000_000
"""How much of a long log is printed: its end."""

_LORA = {
    "rank": "a whole number from 1 to 1024",
    "alpha": "a number above 0, or auto",
    "dropout": "a number from 0 to below 1",
    "target_modules": "all-linear, or names with commas between",
    "modules_to_save": "names with commas between",
    "learning_rate": "a number above 0, or auto",
    "max_length": "a whole number from 16, or auto",
    "quantise": "auto, 4bit or none",
    "trainer": "auto, lora or mlx",
}
"""What each setting of an adapter may be, in words."""


async def train(args: argparse.Namespace) -> int:
    chosen = provider(
        args.provider or config.load().settings.provider, base_url=args.base_url, key_env=args.key_env
    )
    if "jobs" not in chosen.calls:
        raise only_chats(chosen)
    async with await existing_studio(args) as studio:
        if args.dataset:
            dataset = await load(studio, args.dataset)
        else:
            dataset = await make(studio, chosen_recipe(args), await ai_person(studio, args.ai))
        if not args.base_model and not chosen.base_models:
            raise StudioError(
                f"{chosen.name} has no default base model.",
                "Name one with --base-model; `understudy models` lists them.",
            )
        model = args.base_model or chosen.base_models[0]
        if chosen.stays_here and model not in chosen.base_models:
            model = as_named(model)
        base = None
        if chosen.stays_here and is_open_model(model):
            base = await asyncio.to_thread(base_model, model, local_provider(args))
        settings = TrainSettings(
            base_model=model,
            epochs=args.epochs,
            batch_size=args.batch_size,
            learning_rate=args.learning_rate,
            suffix=args.suffix,
            seed=args.seed,
            lora=_lora(args.lora),
        )
        say(summary(dataset))
        _agree(args, plan(dataset, chosen, settings, base))
        async with await connect(chosen, local_provider(args)) as connection:
            job = None
            async for stage in start(studio, connection, dataset, settings):
                say(f"{stage.name}: {stage.detail}" if stage.detail else stage.name)
                job = stage.job or job
            if job is None:
                raise StudioError(
                    "The provider made no job.", "Try again; `understudy jobs` shows what is known."
                )
            if args.follow:
                return await _follow(args, studio, connection, job.key)
    if args.json:
        emit(_job(job))
    else:
        out(job.id or job.key)
    say(f"The job goes on by itself. `understudy jobs follow {job.id or job.key}` follows it.")
    return 0


def _lora(given: list[str]) -> dict[str, Any]:
    """--lora KEY=VALUE as the local provider takes it. Raises StudioError with what it does take."""
    import msgspec

    # What they are is the provider's to say: the same words are refused there.
    from engine.local.trainers import LoraSettings

    fields = {field.name: field.type for field in msgspec.structs.fields(LoraSettings)}
    chosen: dict[str, Any] = {}
    for one in given:
        name, equals, value = one.partition("=")
        if name not in fields or not equals:
            raise StudioError(
                f"--lora takes no {one}.", f"It takes NAME=VALUE; names are {', '.join(fields)}."
            )
        parts = [part.strip() for part in value.split(",")]
        try:
            typed = msgspec.convert(value if len(parts) == 1 else parts, fields[name], strict=False)
        except msgspec.ValidationError:
            try:
                typed = msgspec.convert(parts, fields[name])  # one name where several may stand
            except msgspec.ValidationError:
                raise StudioError(f"--lora {one} cannot be taken.", f"{name} is {_LORA[name]}.") from None
        chosen[name] = msgspec.to_builtins(typed)
    return chosen


def _agree(args: argparse.Namespace, plan: Plan) -> None:
    """Say what goes where; where it leaves this machine a person must agree first."""
    where = "stays on this machine" if plan.stays_here else f"goes to {plan.host}"
    say(
        f"{number(plan.examples)} training and {number(plan.validation)} validation examples "
        f"with the words of {number(plan.people)} people: everything {where}. {plan.price}".rstrip()
    )
    for name, words in plan.needs:
        say(f"{name}: {words}")
    for line in (*plan.notes, *plan.warnings):
        say(line)
    if plan.stays_here or args.yes:
        return
    if not sys.stdin.isatty():
        raise StudioError(
            f"Private messages would go to {plan.host}, and nobody is here to agree.", "Add --yes if you do."
        )
    if ask(f"Send them to {plan.host}? [y/N]").lower() not in ("y", "yes"):
        raise StudioError("Nothing was sent.")


async def _follow(args: argparse.Namespace, studio: Studio, connection: Connection, key: str) -> int:
    job = await known.job(studio, key)
    if job.status == "creating":
        say("It is not known yet whether the provider has this job; looking for it.")

    def tell(events: Iterable[EventRow]) -> None:
        for event in events:
            if args.json:
                emit(_event(job, event))
            else:
                out(f"{clock(event.time)}  {event.message}")

    if job.status in FINAL:  # nothing new will come of it
        tell(await known.events(studio, key))
    live = True
    try:
        async for update in follow(studio, connection, key):
            job = update.job
            if update.live != live:
                live = update.live
                say("The provider answers again." if live else "The provider does not answer; trying again.")
            tell(update.events)
    except asyncio.CancelledError:
        say(f"The job goes on by itself. `understudy jobs follow {job.id or job.key}` follows it again.")
        raise
    if job.status != "succeeded":
        say(f"The job {job.status}: {(job.error or 'no reason was given').rstrip('.')}.")
        return 1
    say(f"Model {job.model}. Talk to it: understudy chat {job.model}")
    return 0


async def jobs(args: argparse.Namespace) -> int:
    async with await existing_studio(args) as studio:
        if args.action == "list":
            return await _list(args, studio)
        job = await _chosen(studio, args.job)
        if args.action == "show":
            await _show(args, studio, job)
            return 0
        if args.action == "log":
            return _log(args, job)
        async with _connected(args, job) as connection:
            if args.action == "follow":
                return await _follow(args, studio, connection, job.key)
            if args.action == "checkpoints":
                rows = await checkpoints(studio, connection, job.key)
                for row in rows:
                    if args.json:
                        emit(
                            {
                                "id": row.id,
                                "step": row.step,
                                "model": row.model,
                                "train_loss": row.train_loss,
                                "valid_loss": row.valid_loss,
                            }
                        )
                if not args.json:
                    table([(row.step, row.model, _loss(row.valid_loss)) for row in rows], right=(0, 2))
                return 0
            steer = {"cancel": cancel, "pause": pause, "resume": resume}[args.action]
            job = await steer(studio, connection, job.key)
            if args.json:
                emit(_job(job))
            say(f"{job.id or job.key} is {job.status}.")
    return 0


async def _list(args: argparse.Namespace, studio: Studio) -> int:
    rows = await _refreshed(args, studio)
    if args.json:
        for row in rows:
            emit(_job(row))
    else:
        heads = ("job", "base model", "status", "step", "loss", "validation", "began", "model")
        table(
            [
                *([heads] if rows else []),
                *(
                    (
                        row.id or row.key,
                        row.base_model,
                        row.status,
                        f"{row.step or 0}/{row.steps}" if row.steps else "",
                        _loss(row.train_loss),
                        _loss(row.valid_loss),
                        minute(row.created_at),
                        row.model or "",
                    )
                    for row in rows
                ),
            ],
            right=(3, 4, 5),
        )
        say(
            f"{plural(len(rows), 'job')}." if rows else "No job yet. `understudy train --ai NAME` starts one."
        )
    return 0


async def _refreshed(args: argparse.Namespace, studio: Studio) -> list[JobRow]:
    """The known jobs, those still open asked after where that costs nothing: on this machine."""
    rows = await known.jobs(studio)
    if any(row.provider == "local" and row.status not in FINAL for row in rows):
        async with await connect(provider("local"), local_provider(args)) as connection:
            for row in rows:
                if row.provider == "local" and row.status not in FINAL:
                    async for _ in follow(studio, connection, row.key):
                        break
        rows = await known.jobs(studio)
    return rows


async def _chosen(studio: Studio, given: str | None) -> JobRow:
    if given:
        return await known.job(studio, given)
    rows = await known.jobs(studio)
    if not rows:
        raise StudioError("There is no job yet.", "`understudy train --ai NAME` starts one.")
    return rows[0]


@asynccontextmanager
async def _connected(args: argparse.Namespace, job: JobRow) -> AsyncIterator[Connection]:
    chosen: Provider = provider(job.provider, base_url=job.base_url, key_env=args.key_env)
    async with await connect(chosen, local_provider(args)) as connection:
        yield connection


async def _show(args: argparse.Namespace, studio: Studio, job: JobRow) -> None:
    events = await known.events(studio, job.key)
    if args.json:
        emit(_job(job))
        return
    for label, value in _job(job).items():
        if value is not None:
            out(f"{label.replace('_', ' '):<12}{_loss(value) if isinstance(value, float) else value}")
    out(f"{'began':<12}{minute(job.created_at)}")
    if job.finished_at is not None:
        out(f"{'ended':<12}{minute(job.finished_at)}")
    for event in events[-20:]:
        out(f"{clock(event.time)}  {event.message}")


def _log(args: argparse.Namespace, job: JobRow) -> int:
    """What the job's process wrote: libraries' warnings, and where a trainer failed."""
    if job.provider != "local" or job.id is None:
        where = provider(job.provider, base_url=job.base_url).host if job.provider != "local" else "nowhere"
        raise StudioError(
            f"The log of this job is not on this machine, but at {where}.",
            "`understudy jobs show JOB` prints its events.",
        )
    path = local_provider(args) / "jobs" / job.id / "train.log"
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _LOG_BYTES))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    for line in lines:
        if args.json:
            emit({"job": job.id, "line": line})
        else:
            out(line)
    if not lines:
        say("Its process wrote nothing.")
    return 0


def _loss(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _job(job: JobRow) -> dict[str, object]:
    return {
        "id": job.id or job.key,
        "provider": job.provider,
        "model": job.model,
        "base_model": job.base_model,
        "status": job.status,
        "step": job.step,
        "steps": job.steps,
        "train_loss": job.train_loss,
        "valid_loss": job.valid_loss,
        "dataset": job.dataset,
        "error": job.error,
    }


def _event(job: JobRow, event: EventRow) -> dict[str, object]:
    return {
        "job": job.id or job.key,
        "status": job.status,
        "time": iso(event.time),
        "level": event.level,
        "type": event.type,
        "message": event.message,
        "data": json.loads(event.data) if event.data else None,
    }
