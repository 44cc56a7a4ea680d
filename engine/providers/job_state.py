"""What a provider says of a job, turned into the studio's rows."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import msgspec

from engine.archive import CheckpointRow, EventRow, JobRow, MetricRow
from engine.providers.connection import Connection

if TYPE_CHECKING:
    from openai.types.fine_tuning import FineTuningJob, FineTuningJobEvent
    from openai.types.fine_tuning.jobs import FineTuningJobCheckpoint

FINAL = ("succeeded", "failed", "cancelled", "refused")
_STEP = re.compile(r"Step (\d+)(?:/(\d+))?:(.*)", re.I)
_LOSS = re.compile(r"(training|(?:full )?validation) loss\s*=\s*([\d.eE+-]+)", re.I)
_CLOCKS_APART = 86_400


class JobSettings(msgspec.Struct, frozen=True):
    """JobRow.settings. files: ids of the uploaded files. left: files of ours may still lie there."""

    epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    files: tuple[str, ...] = ()
    left: bool = False


def encode(settings: JobSettings) -> str:
    return msgspec.json.encode(settings).decode()


def job_settings(row: JobRow) -> JobSettings:
    return msgspec.json.decode(row.settings or "{}", type=JobSettings)


def with_files(row: JobRow, files: tuple[str, ...]) -> JobRow:
    settings = msgspec.structs.replace(job_settings(row), files=files)
    return msgspec.structs.replace(row, settings=encode(settings))


def without_files(row: JobRow) -> JobRow:
    settings = msgspec.structs.replace(job_settings(row), files=(), left=False)
    return msgspec.structs.replace(row, settings=encode(settings))


def file_prefix(key: str) -> str:
    """How the names of a job's files begin at the provider: no name of a person, but ours to find."""
    return f"understudy-{key}-"


async def find_job(connection: Connection, row: JobRow) -> FineTuningJob | None:
    """The provider's job that carries our key, or our file where it keeps no metadata.

    Should there be two (an answer was lost, and the job came late), the older is it and the other is
    cancelled. Raises the SDK's errors.
    """
    files = job_settings(row).files
    found = []
    async for job in connection.openai.fine_tuning.jobs.list(limit=100, metadata={"understudy_key": row.key}):
        if (job.created_at or 0) < row.created_at // 1000 - _CLOCKS_APART:
            break  # newest first, and ours is younger; a service that ignores the filter lists them all
        if (job.metadata or {}).get("understudy_key") == row.key or job.training_file in files:
            found.append(job)
    for extra in found[:-1]:
        if extra.status not in FINAL:
            await connection.openai.fine_tuning.jobs.cancel(extra.id)
    return found[-1] if found else None


async def withdraw(connection: Connection, row: JobRow) -> bool:
    """Delete the job's uploaded files, also one whose upload got no answer. Whether none is left there."""
    import openai

    wanted = set(job_settings(row).files)
    try:
        listed = connection.openai.files.list(purpose="fine-tune", limit=100)
        wanted |= {file.id async for file in listed if file.filename.startswith(file_prefix(row.key))}
    except (openai.OpenAIError, OSError):
        if not wanted:
            return False
    gone = True
    for file_id in wanted:
        try:
            await connection.openai.files.delete(file_id)
        except openai.NotFoundError:
            continue
        except (openai.OpenAIError, OSError):
            gone = False
    return gone


def from_wire(row: JobRow, answer: FineTuningJob) -> JobRow:
    """`row` with what the provider says now. Services leave fields out: then ours stays."""
    job: Any = answer  # the SDK's types promise more than services keep
    # A healthy job may carry an error object whose fields are all empty.
    error = job.error and (job.error.message or job.error.code)
    return msgspec.structs.replace(
        row,
        id=job.id,
        status=str(job.status or row.status).lower(),
        model=job.fine_tuned_model or row.model,
        # Whole seconds of another clock: never before the beginning by ours.
        finished_at=max(int(job.finished_at * 1000), row.created_at) if job.finished_at else row.finished_at,
        seed=row.seed if row.seed is not None else job.seed,
        error=error or row.error,
    )


def event_row(answer: FineTuningJobEvent) -> EventRow:
    event: Any = answer
    data = event.data if isinstance(event.data, dict) else {}
    return EventRow(
        id=event.id or f"{event.created_at} {event.message}",
        time=int((event.created_at or 0) * 1000),
        level=event.level or "info",
        type=event.type or "message",
        message=event.message or "",
        data=msgspec.json.encode(data).decode(),
    )


class Point(msgspec.Struct, frozen=True):
    """The figures of one event: a metric, and how many steps there will be."""

    metric: MetricRow
    steps: int | None


def point(event: EventRow) -> Point | None:
    """The figures in an event's data, else in its text ("Step 1/300: training loss=0.22")."""
    data = msgspec.json.decode(event.data or "{}")
    step = _number(data.get("step"))
    if step is not None:
        valid = _number(data.get("full_valid_loss"))
        metric = MetricRow(
            int(step),
            _number(data.get("train_loss")),
            valid if valid is not None else _number(data.get("valid_loss")),
            _number(data.get("train_mean_token_accuracy")),
        )
        steps = _number(data.get("total_steps"))
        return Point(metric, int(steps) if steps else _said_steps(event.message))
    said = _STEP.match(event.message)
    if not said:
        return None
    losses = {name.lower().split()[-1]: _number(value) for name, value in _LOSS.findall(said[3])}
    metric = MetricRow(int(said[1]), losses.get("training"), losses.get("validation"))
    return Point(metric, int(said[2]) if said[2] else None)


def merge(old: MetricRow | None, new: MetricRow) -> MetricRow:
    """One row for one step: what `new` does not say stays as `old` said it."""
    if old is None:
        return new
    return MetricRow(
        new.step,
        new.train_loss if new.train_loss is not None else old.train_loss,
        new.valid_loss if new.valid_loss is not None else old.valid_loss,
        new.accuracy if new.accuracy is not None else old.accuracy,
    )


def with_figures(row: JobRow, points: Iterable[MetricRow], steps: int | None) -> JobRow:
    """`row` with the newest step and losses among `points` (all that is known, in any order)."""
    ordered = sorted(points, key=lambda metric: metric.step)
    train = next((m.train_loss for m in reversed(ordered) if m.train_loss is not None), None)
    valid = next((m.valid_loss for m in reversed(ordered) if m.valid_loss is not None), None)
    return msgspec.structs.replace(
        row,
        step=ordered[-1].step if ordered else row.step,
        steps=steps or row.steps,
        train_loss=train if train is not None else row.train_loss,
        valid_loss=valid if valid is not None else row.valid_loss,
    )


def checkpoint_row(checkpoint: FineTuningJobCheckpoint) -> CheckpointRow:
    metrics = checkpoint.metrics
    valid = metrics.full_valid_loss if metrics.full_valid_loss is not None else metrics.valid_loss
    return CheckpointRow(
        id=checkpoint.id,
        step=checkpoint.step_number,
        model=checkpoint.fine_tuned_model_checkpoint,
        train_loss=_number(metrics.train_loss),
        valid_loss=_number(valid),
    )


def _said_steps(message: str) -> int | None:
    said = _STEP.match(message)
    return int(said[2]) if said and said[2] else None


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None
