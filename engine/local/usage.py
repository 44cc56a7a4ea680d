"""What the local provider takes on disk, thing by thing, and what of it nobody needs any more."""

from __future__ import annotations

import fcntl
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from engine import bases
from engine.local.files import Files
from engine.local.guard import json_response
from engine.local.jobs import Jobs
from engine.local.models import Models
from engine.local.records import FINAL, CheckpointRow, Job, checkpoint_model_id
from engine.local.wire import read_body

# A model that was asked for so lately is in use, and an upload so young may wait for its job. In seconds.
_IN_USE = 3600.0
_WAITS = 86_400.0

Kind = Literal["job", "model", "checkpoint", "training state", "upload", "results", "base model"]


class Item(msgspec.Struct, frozen=True):
    """One thing on disk. id: of the model, the job or the file. bytes: what its files hold.

    prune: why it is not needed any more, "" where it is. Never set for what is in use.
    """

    kind: Kind
    id: str
    bytes: int
    created_at: int
    prune: str
    path: str


class Usage:
    """Everything that the provider keeps. Only the server's event loop calls this: what it says is not
    needed cannot come into use before it is removed."""

    def __init__(self, files: Files, jobs: Jobs, models: Models) -> None:
        self._files = files
        self._jobs = jobs
        self._models = models

    def items(self) -> list[Item]:
        """All of it, what a job left together."""
        found = [item for job in self._jobs.all() for item in self._of(job)]
        return [*found, *self._strays(), *self._stored(), *self._bases()]

    def prune(self, paths: set[str]) -> list[Item]:
        """Remove what of `paths` is still not needed, and say what went."""
        gone = [item for item in self.items() if item.prune and item.path in paths]
        for item in gone:
            self._remove(item)
        return gone

    def _of(self, job: Job) -> Iterator[Item]:
        records = self._jobs.folder(job)
        yield Item("job", job.id, _size(records), int(job.created_at), "", str(records))
        folder = self._jobs.model_folder(job)
        if not folder.is_dir():
            return
        rows = self._jobs.checkpoints(job)
        best = _best(rows)
        over = job.status in FINAL and not _at_work(records)
        kept = 0
        for row in rows:
            place = folder / row.folder
            size = _size(place)
            kept += size
            model = checkpoint_model_id(job, row.step)
            idle = over and not self._models.asked_within(model, _IN_USE)
            why = "another checkpoint of its job is better" if idle and row is not best else ""
            yield Item("checkpoint", model, size, row.created_at, why, str(place))
        own = _size(folder) - kept
        if job.fine_tuned_model:
            created = int(job.finished_at or job.created_at)
            yield Item("model", job.fine_tuned_model, own, created, "", str(folder))
        elif own:
            how = "was cancelled" if job.status == "cancelled" else "failed"
            why = f"its job {how}" if over else ""
            yield Item("training state", job.id, own, int(job.created_at), why, str(folder))

    def _strays(self) -> Iterator[Item]:
        """Models whose job nobody knows any more."""
        known = {job.hash for job in self._jobs.all()}
        for folder in sorted(self._jobs.models_folder.iterdir()):
            if folder.is_dir() and folder.name not in known:
                created = int(folder.stat().st_mtime)
                yield Item(
                    "training state", folder.name, _size(folder), created, "its job is gone", str(folder)
                )

    def _stored(self) -> Iterator[Item]:
        for record in self._files.all():
            users = [job for job in self._jobs.all() if record.id in (job.training_file, job.validation_file)]
            why = ""
            if record.purpose != "fine-tune":
                pass
            elif users and all(job.status in FINAL for job in users):
                why = "its jobs have ended"
            elif not users and time.time() - record.created_at > _WAITS:
                why = "no job uses it"
            kind: Kind = "upload" if record.purpose == "fine-tune" else "results"
            path = str(self._files.content(record))
            yield Item(kind, record.id, record.bytes, int(record.created_at), why, path)

    def _bases(self) -> Iterator[Item]:
        """What was downloaded for jobs. Other programs may use it too, so it is never pruned."""
        for model in sorted({job.model for job in self._jobs.all() if bases.named(job.model)}):
            place = bases.hub_cache() / f"models--{model.replace('/', '--')}"
            if not model.startswith("/") and place.is_dir():
                yield Item("base model", model, _size(place), int(place.stat().st_mtime), "", str(place))

    def _remove(self, item: Item) -> None:
        path = Path(item.path)
        if item.kind == "upload":
            record = self._files.get(item.id)
            if record:
                self._files.delete(record)
        elif item.kind == "checkpoint":
            model = self._models.tuned(item.id)
            if model:
                self._models.delete(model)
        else:
            job = self._jobs.get(item.id)
            rows = self._jobs.checkpoints(job) if job else []
            keep = {path / row.folder for row in rows}
            _clear(path, keep)


class AskedPrune(msgspec.Struct, frozen=True):
    paths: list[str]


class UsageRoutes:
    """GET /usage: every item. POST /prune with {"paths": [...]}: what of them went."""

    def __init__(self, usage: Usage) -> None:
        self._usage = usage

    async def show(self, _: Request) -> Response:
        return _wire(self._usage.items())

    async def prune(self, request: Request) -> Response:
        asked = await read_body(request, AskedPrune)
        return _wire(self._usage.prune(set(asked.paths)))


def _wire(items: list[Item]) -> Response:
    data: list[dict[str, Any]] = [msgspec.to_builtins(item) for item in items]
    return json_response({"object": "list", "data": data})


def _at_work(records: Path) -> bool:
    """Whether the job's process is still there: one that was cancelled first finishes its step."""
    try:
        with (records / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _best(rows: list[CheckpointRow]) -> CheckpointRow | None:
    """The lowest validation loss, or the newest (`rows` begins with it) where nothing was validated."""
    judged = [row for row in rows if row.metrics.get("full_valid_loss") is not None]
    return min(judged, key=lambda row: row.metrics["full_valid_loss"] or 0, default=rows[0] if rows else None)


def _size(folder: Path) -> int:
    """Bytes of all files below; a link counts nothing."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def _clear(folder: Path, keep: set[Path]) -> None:
    """Remove all in `folder` but what is in `keep` and the folders around it."""
    for path in list(folder.iterdir()):
        if path in keep:
            continue
        if any(path in kept.parents for kept in keep):
            _clear(path, keep)
        elif path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    if not any(folder.iterdir()):
        folder.rmdir()
