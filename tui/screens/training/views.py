"""What the pane draws: the list of jobs, and one job in lines."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.content import Content
from textual.widget import Widget

from tui.following import Start, state_word
from tui.safe_text import safe_line
from tui.widgets.cells import clock, fit, number, right, short_date, wrap
from tui.widgets.line_list import LineList

if TYPE_CHECKING:
    from engine.archive.rows import CheckpointRow, EventRow, JobRow, MetricRow
    from engine.providers.local_disk import DiskItem

STATUS = {"validating_files": "checking", "creating": "creating"}
STAGES = ("checking", "uploading", "processing", "creating")
READ = 2000
"""Events of a job that are read."""

EVENTS = 200
"""Events that are drawn: the newest."""

PAUSED = "Fine-tuning job paused"
"""The event of a pause; one that says resumed or cancelled ends it."""

OURS = {"local": "this machine"}


_FIGURE = re.compile(r"(?<![\d.,])\d{4,}(?![\d.])")


def best(checkpoints: Sequence[CheckpointRow]) -> CheckpointRow | None:
    """The one with the lowest validation loss, which the finished model is."""
    known = [(row.valid_loss, row.step, row) for row in checkpoints if row.valid_loss is not None]
    return min(known, key=lambda one: one[:2])[2] if known else None


def name_of(job: JobRow) -> str:
    return safe_line(job.suffix or job.id or job.key, 80)


def status_of(job: JobRow) -> str:
    """`running 40 %`, `succeeded`"""
    if job.status == "running" and job.step is not None and job.steps:
        return f"running {100 * job.step // job.steps} %"
    return STATUS.get(job.status, safe_line(job.status, 20))


class JobList(LineList):
    """Name, base model, dataset, when it began, status; from 60 cells on all of them."""

    def __init__(self) -> None:
        super().__init__(id="jobs")
        self.jobs: Sequence[JobRow] = ()

    def list(self, jobs: Sequence[JobRow], on: str | None = None) -> None:
        """Show these with the bar on job `on`, or where it was."""
        wanted = on or (self.current.key if self.current else None)
        self.jobs = jobs
        self.show(len(jobs), next((at for at, job in enumerate(jobs) if job.key == wanted), 0))

    def change(self, job: JobRow) -> None:
        """This job is known better now."""
        at = next(at for at, one in enumerate(self.jobs) if one.key == job.key)
        before, self.jobs = self.jobs[at], [*self.jobs[:at], job, *self.jobs[at + 1 :]]
        if status_of(before) != status_of(job):
            self.refresh_lines(at)

    @property
    def current(self) -> JobRow | None:
        return self.jobs[self.cursor] if self.cursor < len(self.jobs) else None

    def row(self, index: int, width: int) -> Content:
        job = self.jobs[index]
        began = short_date(job.created_at)
        ends = _columns(width, safe_line(job.base_model), (job.dataset or "")[:4], began, status_of(job))
        name = fit(name_of(job), max(6, width - 3 - sum(len(text) for text in ends)))
        strong = "$foreground" if job.status in ("running", "succeeded") else "$muted"
        return Content.assemble("   ", name, ("".join(ends[:-1]), "$muted"), (ends[-1], strong))


class JobHeading(Widget):
    """The names of the columns, above them."""

    DEFAULT_CSS = "JobHeading { height: 1; color: $muted; }"

    def render(self) -> Content:
        return _heading(self.size.width)


def _heading(width: int) -> Content:
    ends = _columns(width, "base model", "dataset", "began", "status")
    return Content(f"   {fit('job', max(6, width - 3 - sum(len(text) for text in ends)))}{''.join(ends)}")


def _columns(width: int, base: str, dataset: str, began: str, status: str) -> list[str]:
    columns = [right(began, 8), "  " + fit(status, 14)]
    wide = ("  " + fit(base, 22 if width >= 80 else 12), "  " + fit(dataset, 7)) if width >= 60 else ()
    return [*wide, *columns]


def headline(job: JobRow, width: int) -> Content:
    at = OURS.get(job.provider, job.provider)
    rest = (
        f" · {safe_line(job.base_model)} on {at}"
        if job.provider == "local"
        else f" · {safe_line(job.base_model)} at {at}"
    )
    rest += f" · dataset {job.dataset[:4]}" if job.dataset else ""
    return Content.assemble((name_of(job), "bold $foreground"), (rest, "$muted")).truncate(
        width, ellipsis=True
    )


def now_line(job: JobRow, events: Sequence[EventRow], live: bool, now: int) -> Content:
    """`LIVE  step 120 of 300 · epoch 2 of 5 · 0:07 gone, about 0:11 left (estimate)`"""
    word = state_word(job, live)
    parts: list[str] = []
    if word == "DONE" or (job.step is None and word != "PAUSED"):
        parts.append(status_of(job))
    if job.step is not None:
        parts.append(
            f"step {number(job.step)} of {number(job.steps)}" if job.steps else f"step {number(job.step)}"
        )
    if epoch := _epoch(job, events):
        parts.append(epoch)
    parts.append(_times(job, events, word, now))
    style = "bold" if word != "STALE" else "$muted bold"
    return Content.assemble((word, style), (f"  {' · '.join(part for part in parts if part)}", ""))


def disk_line(items: Sequence[DiskItem]) -> str:
    """What the local provider keeps, and what of it is not needed."""
    from engine.providers.plan import size

    own = [item for item in items if item.kind != "base model"]
    line = f"Models and jobs on this machine take {size(sum(item.bytes for item in own))}"
    if loaded := sum(item.bytes for item in items if item.kind == "base model"):
        line += f", the base models that were downloaded for them {size(loaded)}"
    if spare := sum(item.bytes for item in items if item.prune):
        return f"{line}. `understudy local prune` would free {size(spare)}."
    return f"{line}; all of it is needed."


def losses(metrics: Sequence[MetricRow]) -> Content:
    """`train 1.84 · valid 2.02 · best 1.99 at step 110`"""
    train = [metric.train_loss for metric in metrics if metric.train_loss is not None]
    valid = [(metric.valid_loss, metric.step) for metric in metrics if metric.valid_loss is not None]
    parts: list[tuple[str, str]] = []
    if train:
        parts += [("loss  ", "$muted"), ("train ", "$accent"), (f"{train[-1]:.2f}", "")]
    if valid:
        best, step = min(valid)
        parts += [("   ○ validation ", "$muted"), (f"{valid[-1][0]:.2f}", "")]
        parts += [("   best ", "$muted"), (f"{best:.2f}", ""), (f" at step {number(step)}", "$muted")]
    return Content.assemble(*parts)


def event_lines(job: JobRow, events: Sequence[EventRow], trouble: str, width: int) -> list[Content]:
    """Why it failed, what became of it, then its events, the newest first."""
    lines: list[Content] = []
    for said in (trouble, job.error or ""):
        lines += (
            [Content.assemble((text, "bold")) for text in wrap(safe_line(said), max(10, width - 1))]
            if said
            else []
        )
    if job.model:
        lines.append(
            Content.assemble(("model     ", "$muted"), fit(safe_line(job.model), max(8, width - 11)))
        )
    if lines:
        lines.append(Content(""))
    for event in reversed(_told(events)[-EVENTS:]):
        style = "bold" if event.level in ("error", "warning", "warn") else ""
        message = safe_line(event.message)
        if event.type == "metrics":  # its figures written as everywhere else
            message = _FIGURE.sub(lambda found: number(int(found[0])), message)
        first, *rest = wrap(message, max(10, width - 11)) or [""]
        lines.append(
            Content.assemble((f"{clock(event.time)}:{_seconds(event.time)}  ", "$muted"), (first, style))
        )
        lines += [Content.assemble(" " * 10, (text, style)) for text in rest]
    return lines


def _told(events: Sequence[EventRow]) -> list[EventRow]:
    """Of the steps in a row the newest, and those with a validation: the others are in the curve."""
    told = []
    for place, event in enumerate(events):
        after = events[place + 1].type if place + 1 < len(events) else ""
        passed = event.type == "metrics" == after
        if not passed or "validation" in event.message.lower():
            told.append(event)
    return told


def start_lines(start: Start, width: int) -> list[Content]:
    """The stages of a job in the making: done, under way, to come; what went wrong where it did."""
    said: dict[str, str] = {stage.name: stage.detail for stage in start.stages}
    reached = max((STAGES.index(stage.name) for stage in start.stages if stage.name in STAGES), default=-1)
    ended = start.key is not None
    lines = [Content.assemble((f"A new model of {safe_line(start.ai, 60)}", "bold $foreground")), Content("")]
    for place, name in enumerate(STAGES):
        done = ended or place < reached
        mark = "✓" if done else "·" if place > reached else "✗" if start.error else "▸"
        style = "" if place <= reached or ended else "$muted"
        detail = fit(safe_line(said.get(name, "")), max(4, width - 16)).rstrip()
        lines.append(Content.assemble((f"  {mark} {name:<12}", style), (detail, "$muted")))
    if start.error is not None:
        room = max(10, width - 2)
        message = wrap(safe_line(start.error.message), room)
        hint = wrap(safe_line(start.error.hint), room) if start.error.hint else []
        lines.append(Content(""))
        lines += [Content.assemble((text, "bold")) for text in message]
        lines += [Content.assemble((text, "$muted")) for text in hint]
    return lines


def _seconds(time: int) -> str:
    return f"{time // 1000 % 60:02}"


def _epoch(job: JobRow, events: Sequence[EventRow]) -> str:
    """`epoch 2 of 5`, where the provider says which or the job's own settings do."""
    epochs = json.loads(job.settings or "{}").get("epochs")
    for event in reversed(events[-20:]):
        epoch = json.loads(event.data or "{}").get("epoch") if event.type == "metrics" else None
        if isinstance(epoch, int | float):
            return f"epoch {epoch:g}" + (f" of {epochs}" if epochs else "")
    return ""


def _times(job: JobRow, events: Sequence[EventRow], word: str, now: int) -> str:
    began = next((event.time for event in events if event.type == "metrics"), None) or job.created_at
    until = job.finished_at or now
    paused = _paused(events, until if job.status == "paused" else None)
    if word == "DONE":
        return f"{_span(until - job.created_at - paused)} in all" if job.finished_at else ""
    if job.status not in ("running", "paused") or word == "STALE":
        return ""
    gone, trained = max(0, now - job.created_at - paused), now - began - paused
    if word == "PAUSED" or not job.step or not job.steps or trained < 2000:
        return f"{_span(gone)} gone"
    left = trained / job.step * (job.steps - job.step)
    return f"{_span(gone)} gone, about {_span(left)} left (estimate)"


def _paused(events: Sequence[EventRow], until: int | None) -> int:
    """Milliseconds in which the job was paused, as its events tell. until: now, while it still is."""
    total, since = 0, None
    for event in events:
        if event.message == PAUSED:
            since = since or event.time
        elif since is not None and ("resumed" in event.message or "cancelled" in event.message):
            total, since = total + event.time - since, None
    return total + max(0, until - since) if since is not None and until is not None else total


def _span(milliseconds: float) -> str:
    """0:07, 1:02:03"""
    seconds = max(0, round(milliseconds / 1000))
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
