"""Start a fine-tuning job: check, upload, create. Never two jobs, never one that is forgotten."""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from engine.archive import JobRow, Studio
from engine.archive.jobs import save_job
from engine.dataset.checks import check
from engine.dataset.chunks import Chunk, Dataset, usual_system
from engine.dataset.formats import example, jsonl
from engine.dataset.storing import save
from engine.errors import DataError, StudioError
from engine.providers.base_models import base_model, is_open_model
from engine.providers.base_models import check as check_base
from engine.providers.connection import Connection
from engine.providers.failures import explain, is_ambiguous, no_such_model, only_chats
from engine.providers.job_state import (
    JobSettings,
    encode,
    file_prefix,
    find_job,
    from_wire,
    job_settings,
    with_files,
    withdraw,
    without_files,
)
from engine.providers.plan import TrainSettings
from engine.providers.presets import Provider

if TYPE_CHECKING:
    from openai.types import FileObject
    from openai.types.fine_tuning import FineTuningJob

ATTEMPTS = 3
# When to look for a job whose creation got no answer: seconds to wait before each look.
LOOKS = (0.2, 1.0, 3.0)
_PROCESSING_SECONDS = 600.0


class Stage(msgspec.Struct, frozen=True):
    """Where the start of a training is. detail: for people. job: from "creating" on."""

    name: Literal["checking", "uploading", "processing", "creating", "created"]
    detail: str = ""
    job: JobRow | None = None


async def train(
    studio: Studio, connection: Connection, dataset: Dataset, settings: TrainSettings
) -> AsyncIterator[Stage]:
    """Send `dataset` and create one job; its last stage is "created".

    A person must have agreed to `plan(...)` before. The test split is never sent. When it fails or is
    cancelled before a job can exist, the uploaded files are deleted there again. When creating got no
    answer and nobody can say whether there is a job, its row stays "creating" and `follow` finds out.

    Raises DataError where the dataset would be refused, before anything is sent; else StudioError.
    """
    provider = connection.provider
    yield Stage("checking", f"{len(dataset.examples('train')):,} examples")
    if not {"files", "jobs"} <= connection.calls:
        raise only_chats(provider)
    if provider.stays_here and settings.base_model not in provider.base_models:
        if not is_open_model(settings.base_model):
            raise no_such_model(provider, settings.base_model, provider.base_models)
        check_base(await asyncio.to_thread(base_model, settings.base_model, connection.folder))
    bodies = await asyncio.to_thread(_bodies, dataset, provider)
    await save(studio, dataset)
    row = _new_row(provider, dataset, settings)
    await save_job(studio, row)  # before the first upload: a crash must not forget what lies there
    tried_to_create = False
    try:
        uploads: list[FileObject] = []
        for split, body in bodies.items():
            yield Stage("uploading", f"{split} file, {len(body) / 1000:,.0f} kB to {provider.host}")
            uploads.append(await _upload(connection, f"{file_prefix(row.key)}{split}.jsonl", body))
            row = with_files(row, tuple(upload.id for upload in uploads))
        for upload in uploads:
            yield Stage("processing", f"{provider.host} checks the {upload.filename.split('-')[-1]} file")
            await _processed(connection, upload)
        await save_job(studio, row)
        yield Stage("creating", settings.base_model, row)
        tried_to_create = True
        created = await _create(connection, row, settings)
    except BaseException as error:
        given_up = not isinstance(error, Exception)
        if tried_to_create and (given_up or isinstance(error, _UnknownError)):
            raise  # there may be a job, and it needs its files
        gone = await withdraw(connection, row)
        reason = None if given_up else explain(error, provider, provider.base_models)
        ended = msgspec.structs.replace(
            without_files(row) if gone else row,
            status="cancelled" if given_up else "refused" if tried_to_create else "failed",
            error=reason.message if reason else None,
            finished_at=_now(),
        )
        await save_job(studio, ended)
        if reason is None:
            raise
        raise _with_fate_of_files(reason, provider, gone) from error
    row = from_wire(row, created)
    await save_job(studio, row)
    yield Stage("created", row.id or "", row)


class _UnknownError(StudioError):
    """Nobody can say whether the job exists."""


def _bodies(dataset: Dataset, provider: Provider) -> dict[str, bytes]:
    """The files to upload, by split. They exist in memory only: no copy is left on a disk."""
    bodies = {}
    for split in ("train", "valid"):
        chunks = dataset.examples(split)
        if not chunks and split == "valid":
            continue
        _refuse_faults(chunks, provider, split)
        bodies[split] = "".join(f"{line.rstrip()}\n" for line in jsonl(chunks)).encode()
    return bodies


def _refuse_faults(chunks: Sequence[Chunk], provider: Provider, split: str) -> None:
    problems = check(
        (example(chunk) for chunk in chunks),
        min_examples=provider.min_examples if split == "train" else 1,
        max_tokens=provider.max_tokens,
        max_bytes=provider.max_bytes,
    )
    errors = [problem for problem in problems if problem.severity == "error"]
    if errors:
        more = f" (and {len(errors) - 1:,} more faults)" if len(errors) > 1 else ""
        raise DataError(
            f"{errors[0].message.rstrip('.')}{more}. Nothing was sent.",
            "Choose another recipe or another person, or exclude those chunks.",
        )


def _new_row(provider: Provider, dataset: Dataset, settings: TrainSettings) -> JobRow:
    return JobRow(
        key=str(uuid.uuid4()),
        provider=provider.name,
        base_url=None if provider.name in ("local", "openai") else provider.base_url,
        base_model=settings.base_model,
        status="creating",
        dataset=dataset.id,
        suffix=(settings.suffix or _slug(dataset.ai))[:64],
        seed=settings.seed,
        system=usual_system(dataset.split("train")),
        created_at=_now(),
        settings=encode(JobSettings(settings.epochs, settings.batch_size, settings.learning_rate, left=True)),
    )


async def _upload(connection: Connection, name: str, body: bytes) -> FileObject:
    return await connection.openai.files.create(file=(name, body), purpose="fine-tune")


async def _processed(connection: Connection, upload: FileObject) -> None:
    """Wait until the service has looked at a file. Raises DataError where it did not like it."""
    pause, waited = (0.05 if connection.nearby else 1.0), 0.0
    while upload.status in ("uploaded", "pending", "processing") and waited < _PROCESSING_SECONDS:
        await asyncio.sleep(pause)
        waited += pause
        upload = await connection.openai.files.retrieve(upload.id)
    if upload.status == "error":
        reason = upload.status_details or "no reason given"
        raise DataError(
            f"{connection.provider.host} does not accept the file: {reason.rstrip('.')}.",
            "Look at the chunks' problems, and check the file with `understudy check`.",
        )


async def _create(connection: Connection, row: JobRow, settings: TrainSettings) -> FineTuningJob:
    """Create the job once. Where no answer came, look whether it exists before trying again."""
    import openai

    for attempt in range(1, ATTEMPTS + 1):
        try:
            return await connection.openai.fine_tuning.jobs.create(**_request(row, settings))
        except (openai.OpenAIError, OSError) as error:
            if not is_ambiguous(error):
                raise
            found = await _look_for(connection, row)
            if found is not None:
                return found
            if attempt == ATTEMPTS:
                raise
    raise AssertionError("the loop above returns or raises")


async def _look_for(connection: Connection, row: JobRow) -> FineTuningJob | None:
    """The job that a lost answer was about, None where there is none. Raises _UnknownError."""
    import openai

    answered = False
    for wait in LOOKS:
        await asyncio.sleep(wait)
        try:
            found = await find_job(connection, row)
        except (openai.OpenAIError, OSError):
            continue
        answered = True
        if found is not None:
            return found
    if not answered:
        raise _UnknownError(
            f"{connection.provider.host} gave no answer, so it is not known whether the job was created.",
            f"`understudy jobs follow {row.key}` finds out when the service answers again.",
        )
    return None


def _request(row: JobRow, settings: TrainSettings) -> dict[str, Any]:
    files = job_settings(row).files
    chosen = {
        "n_epochs": settings.epochs,
        "batch_size": settings.batch_size,
        "learning_rate_multiplier": settings.learning_rate,
    }
    hyperparameters = {name: value for name, value in chosen.items() if value is not None}
    request: dict[str, Any] = {
        "model": row.base_model,
        "training_file": files[0],
        "suffix": row.suffix,
        "metadata": {"understudy_key": row.key, "understudy_dataset": row.dataset or ""},
    }
    if len(files) > 1:
        request["validation_file"] = files[1]
    if row.seed is not None:
        request["seed"] = row.seed
    if settings.lora:
        request["extra_body"] = {"lora": settings.lora}
    if hyperparameters:
        request["method"] = {"type": "supervised", "supervised": {"hyperparameters": hyperparameters}}
    return request


def _with_fate_of_files(reason: StudioError, provider: Provider, gone: bool) -> StudioError:
    fate = (
        f"What was uploaded to {provider.host} is deleted again."
        if gone
        else f"What was uploaded to {provider.host} could not be deleted; following the job tries again."
    )
    return type(reason)(reason.message, f"{fate} {reason.hint}".strip())


def _slug(name: str) -> str:
    """A name as a suffix: the services take letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:18] or "understudy"


def _now() -> int:
    return int(time.time() * 1000)
