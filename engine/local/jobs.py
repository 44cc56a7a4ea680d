"""The jobs: their records, events, checkpoints and the models that they left."""

from __future__ import annotations

import csv
import io
import os
import shutil
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from engine.folders import private
from engine.local import disk
from engine.local.files import Files
from engine.local.records import (
    FINAL,
    CheckpointRow,
    Event,
    Job,
    JobError,
    JobStatus,
    Level,
    Result,
    checkpoint_model_id,
)
from engine.local.trainers import Settings

_JOURNALS_KEPT = 8


class TunedModel(NamedTuple):
    """A model that a job left: the finished one (step None) or a checkpoint."""

    id: str
    created: int
    base: str
    folder: Path
    job: Job
    step: int | None


class Jobs:
    """Everything below FOLDER/jobs and FOLDER/models. Only the server's event loop calls this."""

    def __init__(self, folder: Path, files: Files) -> None:
        self._folder = private(folder / "jobs")
        self.models_folder = private(folder / "models")
        self._files = files
        records = (disk.read_record(path, Job) for path in self._folder.glob("ftjob-*/job.json"))
        self._jobs = {job.id: job for job in records if job}
        self._journals: OrderedDict[str, disk.Journal[Event]] = OrderedDict()

    def all(self) -> list[Job]:
        """Newest first."""
        return sorted(self._jobs.values(), key=lambda job: job.created_at, reverse=True)

    def get(self, job_id: str) -> Job | None:
        return self._jobs.get(job_id)

    def folder(self, job: Job) -> Path:
        return self._folder / job.id

    def create(self, job: Job) -> Job:
        """Keep a new job, with links to its files of its own: they may be deleted meanwhile.

        Raises OSError where the disk takes no more; then there is no such job.
        """
        try:
            private(self.folder(job))
            for name, file_id in (("training", job.training_file), ("validation", job.validation_file)):
                record = self._files.get(file_id) if file_id else None
                if record:
                    _link(self._files.content(record), self.folder(job) / f"{name}.jsonl")
            self._save(job)
            self.say(job, f"Created fine-tuning job: {job.id}")
        except OSError:
            self.forget(job)
            raise
        return job

    def forget(self, job: Job) -> None:
        """As if it had never been created: whoever asked for it is told that it was not."""
        self._jobs.pop(job.id, None)
        shutil.rmtree(self.folder(job), ignore_errors=True)

    def change(self, job: Job, **fields: Any) -> Job:
        job = msgspec.structs.replace(self._jobs[job.id], **fields)
        self._save(job)
        return job

    def finish(self, job: Job, status: JobStatus, **fields: Any) -> Job:
        """Give the job its last status, with its figures as a result file where training got that far."""
        if content := self._figures(job):
            record = self._files.add_results(content, "step_metrics.csv")
            fields["result_files"] = (record.id,)
        job = self.change(job, status=status, finished_at=int(time.time()), **fields)
        for name in ("training", "validation"):
            (self.folder(job) / f"{name}.jsonl").unlink(missing_ok=True)
        # A process that was killed could not remove the examples that it had prepared.
        (self.model_folder(job) / "state" / "data.msgpack").unlink(missing_ok=True)
        return job

    def fail(self, job: Job, error: JobError, **fields: Any) -> Job:
        self.say(job, error.message, "error")
        return self.finish(job, "failed", error=error, **fields)

    def say(self, job: Job, message: str, level: Level = "info") -> None:
        event = Event(disk.new_id("ftevent-"), int(time.time()), message, level)
        disk.append(self.folder(job) / "events.jsonl", event)

    def events(self, job: Job) -> list[Event]:
        """Oldest first."""
        path = self.folder(job) / "events.jsonl"
        journal = self._journals.setdefault(job.id, disk.Journal(path, Event))
        self._journals.move_to_end(job.id)
        if len(self._journals) > _JOURNALS_KEPT:
            self._journals.popitem(last=False)
        return journal.read()

    def checkpoints(self, job: Job) -> list[CheckpointRow]:
        """Newest first; those whose models were deleted are gone. A step trained twice counts once."""
        rows = disk.Journal(self.folder(job) / "checkpoints.jsonl", CheckpointRow).read()
        by_step = {row.step: row for row in rows if (self.model_folder(job) / row.folder).is_dir()}
        return [by_step[step] for step in sorted(by_step, reverse=True)]

    def result(self, job: Job) -> Result | None:
        """How the job's last process ended; None where it was killed."""
        return disk.read_record(self.folder(job) / "result.json", Result)

    def wire(self, job: Job) -> dict[str, Any]:
        """The job as the protocol shows it, with the hyperparameters that its process has settled on."""
        if not job.planned and (plan := disk.read_record(self.folder(job) / "plan.json", Settings)):
            job = self.change(job, settings=plan, planned=True)
        finish = None
        if job.status == "running":
            last = next((event for event in reversed(self.events(job)) if event.type == "metrics"), None)
            finish = last.data.get("estimated_finish") if last and last.data else None
        return job.wire(finish)

    def model_folder(self, job: Job) -> Path:
        """Where the job's process leaves its model, its checkpoints and its state to resume from."""
        return self.models_folder / job.hash

    def models(self) -> list[TunedModel]:
        """Every model that can be used now, newest first; a job's checkpoints after its model."""
        found = []
        for job in self.all():
            folder = self.model_folder(job)
            if not folder.is_dir():
                continue
            if job.fine_tuned_model:
                created = job.finished_at or job.created_at
                found.append(TunedModel(job.fine_tuned_model, int(created), job.model, folder, job, None))
            found += [
                TunedModel(
                    checkpoint_model_id(job, row.step),
                    row.created_at,
                    job.model,
                    folder / row.folder,
                    job,
                    row.step,
                )
                for row in self.checkpoints(job)
            ]
        return found

    def delete_model(self, model: TunedModel) -> None:
        """Delete a checkpoint, or a model with its checkpoints; nothing of the person's lines stays."""
        shutil.rmtree(model.folder)
        if model.job.status in FINAL and not any(left.job.id == model.job.id for left in self.models()):
            shutil.rmtree(self.model_folder(model.job), ignore_errors=True)

    def _save(self, job: Job) -> None:
        self._jobs[job.id] = job
        disk.write_record(self.folder(job) / "job.json", job)

    def _figures(self, job: Job) -> bytes:
        """OpenAI's result file: one line a step; empty where no step was made."""
        steps: dict[int, dict[str, Any]] = {}
        for event in self.events(job):
            if event.type == "metrics" and event.data:
                steps.setdefault(event.data["step"], {}).update(event.data)
        if not steps:
            return b""
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow(["step", "train_loss", "train_accuracy", "valid_loss", "valid_mean_token_accuracy"])
        keys = ("step", "train_loss", "train_mean_token_accuracy", "valid_loss", "valid_mean_token_accuracy")
        writer.writerows([steps[step].get(key) for key in keys] for step in sorted(steps))
        return out.getvalue().encode()


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links
        shutil.copyfile(source, target)
