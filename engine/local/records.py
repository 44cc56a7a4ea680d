"""What the local provider keeps on disk, and how OpenAI's protocol shows it.

A job's folder is written by two processes, each to its own files. The server writes `job.json`; the
job's process writes `plan.json` (its hyperparameters), `checkpoints.jsonl` and `result.json` (how it
ended). Both append to `events.jsonl`. Times are seconds since 1970; the protocol shows whole ones.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec

from engine.local.trainers import Settings

JobStatus = Literal["validating_files", "queued", "running", "paused", "succeeded", "failed", "cancelled"]
Level = Literal["info", "warn", "error"]
FINAL: frozenset[JobStatus] = frozenset({"succeeded", "failed", "cancelled"})


class StoredFile(msgspec.Struct, frozen=True):
    """An uploaded file or a job's results. examples: how many training examples it holds.

    status: "processed", or "error" with the reason in `status_details`.
    """

    id: str
    bytes: int
    created_at: float
    filename: str
    purpose: str
    status: Literal["processed", "error"]
    status_details: str | None = None
    examples: int = 0

    def wire(self) -> dict[str, Any]:
        shown = msgspec.to_builtins(self)
        del shown["examples"]
        return {**shown, "created_at": int(self.created_at), "object": "file"}


class JobError(msgspec.Struct, frozen=True):
    """Why a job failed: OpenAI's code where there is one, and one sentence."""

    code: str
    message: str
    param: str | None = None


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A fine-tuning job. deaths: how often its process has ended without being asked to."""

    id: str
    created_at: float
    model: str
    training_file: str
    validation_file: str | None
    suffix: str | None
    seed: int
    metadata: dict[str, str] | None
    settings: Settings
    status: JobStatus
    planned: bool = False
    fine_tuned_model: str | None = None
    finished_at: int | None = None
    trained_tokens: int | None = None
    result_files: tuple[str, ...] = ()
    error: JobError | None = None
    deaths: int = 0

    @property
    def hash(self) -> str:
        """The eight hex digits that name the job's model and its folder below `models/`."""
        return self.id.removeprefix("ftjob-")[:8]

    @property
    def model_id(self) -> str:
        """The id that the model gets. Its suffix keeps letters, digits and hyphens, in lower case.

        A base in a folder gives its last name only.
        """
        kept = "".join(c if c.isascii() and c.isalnum() else "-" for c in (self.suffix or "").lower())
        base = Path(self.model).name if self.model.startswith("/") else self.model
        return f"ft:{base}:{kept.strip('-')}:{self.hash}"

    def wire(self, estimated_finish: int | None) -> dict[str, Any]:
        hyperparameters = msgspec.to_builtins(self.settings)
        del hyperparameters["seed"]
        lora = hyperparameters.pop("lora")
        return {
            "object": "fine_tuning.job",
            "id": self.id,
            "created_at": int(self.created_at),
            "model": self.model,
            "training_file": self.training_file,
            "validation_file": self.validation_file,
            "user_provided_suffix": self.suffix,
            "seed": self.seed,
            "metadata": self.metadata,
            "hyperparameters": hyperparameters,
            "method": {"type": "supervised", "supervised": {"hyperparameters": hyperparameters}},
            "status": self.status,
            "fine_tuned_model": self.fine_tuned_model,
            "finished_at": self.finished_at,
            "estimated_finish": estimated_finish,
            "trained_tokens": self.trained_tokens,
            "result_files": list(self.result_files),
            "error": msgspec.to_builtins(self.error),
            "integrations": [],
            "lora": lora if "/" in self.model else None,
            "organization_id": "org-local",
        }


class Event(msgspec.Struct, frozen=True):
    """One line of a job's log. type "metrics": `data` holds the figures of a step."""

    id: str
    created_at: int
    message: str
    level: Level = "info"
    type: Literal["message", "metrics"] = "message"
    data: dict[str, Any] | None = None

    def wire(self) -> dict[str, Any]:
        return {**msgspec.to_builtins(self), "object": "fine_tuning.job.event"}


class CheckpointRow(msgspec.Struct, frozen=True):
    """A checkpoint that a job left. folder: below the job's model folder."""

    id: str
    created_at: int
    step: int
    folder: str
    metrics: dict[str, float | None]

    def wire(self, job: Job) -> dict[str, Any]:
        return {
            "object": "fine_tuning.job.checkpoint",
            "id": self.id,
            "created_at": self.created_at,
            "fine_tuned_model_checkpoint": checkpoint_model_id(job, self.step),
            "fine_tuning_job_id": job.id,
            "metrics": self.metrics,
            "step_number": self.step,
        }


def checkpoint_model_id(job: Job, step: int) -> str:
    return f"{job.model_id}:ckpt-step-{step}"


class Result(msgspec.Struct, frozen=True):
    """How a job's process ended, in its own words. "stopped": it was asked to, its state is saved."""

    status: Literal["succeeded", "failed", "stopped"]
    trained_tokens: int | None = None
    error: JobError | None = None


class Measured(msgspec.Struct, frozen=True):
    """A row of `measured.jsonl`: how long a job took for so many examples, each counted once an epoch.

    trainer: "lora" or "mlx".
    """

    model: str
    examples: float
    seconds: float
    at: int
    trainer: str
