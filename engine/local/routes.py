"""The routes of OpenAI's protocol for files, fine-tuning jobs and models."""

from __future__ import annotations

import re
import secrets
import time
from typing import Annotated, Literal

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from engine.errors import StudioError
from engine.local import guard
from engine.local.chat import Chat
from engine.local.disk import new_id
from engine.local.files import Files
from engine.local.generation.hosts import Hosts
from engine.local.guard import ApiError, json_response
from engine.local.jobs import Jobs
from engine.local.models import Models, not_found
from engine.local.queue import Queue
from engine.local.records import FINAL, Job, StoredFile
from engine.local.trainers import LoraSettings, SettingError, Settings, base_models, trainer_for
from engine.local.usage import Usage, UsageRoutes
from engine.local.wire import page, read_body


class Hyperparameters(msgspec.Struct, frozen=True):
    n_epochs: Annotated[int, msgspec.Meta(ge=1, le=50)] | Literal["auto"] | None = None
    batch_size: Annotated[int, msgspec.Meta(ge=1, le=256)] | Literal["auto"] | None = None
    learning_rate_multiplier: Annotated[float, msgspec.Meta(gt=0)] | Literal["auto"] | None = None


class Supervised(msgspec.Struct, frozen=True):
    hyperparameters: Hyperparameters | None = None


class Method(msgspec.Struct, frozen=True):
    type: str
    supervised: Supervised | None = None


class AskedJob(msgspec.Struct, frozen=True):
    """OpenAI's request for a fine-tuning job, and our own `lora` (`extra_body` in the SDK)."""

    model: str
    training_file: str
    validation_file: str | None = None
    suffix: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    seed: Annotated[int, msgspec.Meta(ge=0, lt=2**31)] | None = None
    metadata: (
        Annotated[
            dict[Annotated[str, msgspec.Meta(max_length=64)], Annotated[str, msgspec.Meta(max_length=512)]],
            msgspec.Meta(max_length=16),
        ]
        | None
    ) = None
    method: Method | None = None
    hyperparameters: Hyperparameters | None = None
    integrations: Annotated[list[object], msgspec.Meta(max_length=0)] | None = None
    lora: LoraSettings | None = None

    def settings(self) -> Settings:
        """The hyperparameters asked for; a seed is chosen where none was given."""
        if self.method and self.method.type != "supervised":
            raise ApiError(400, "Only the method 'supervised' is trained here.", param="method.type")
        supervised = self.method.supervised if self.method else None
        asked = (supervised and supervised.hyperparameters) or self.hyperparameters or Hyperparameters()
        return Settings(
            n_epochs=asked.n_epochs or "auto",
            batch_size=asked.batch_size or "auto",
            learning_rate_multiplier=asked.learning_rate_multiplier or "auto",
            seed=secrets.randbelow(2**31) if self.seed is None else self.seed,
            lora=self.lora or LoraSettings(),
        )


class FileRoutes:
    def __init__(self, files: Files) -> None:
        self._files = files

    async def create(self, request: Request) -> Response:
        async with request.form(max_files=1, max_fields=8) as form:
            upload, purpose = form.get("file"), form.get("purpose")
            if not isinstance(upload, UploadFile):
                raise ApiError(400, "The form has no file.", param="file")
            if purpose != "fine-tune":
                raise ApiError(400, "Only files of purpose 'fine-tune' are kept here.", param="purpose")
            if any(key.startswith("expires_after") for key in form):
                reason = "Files stay here until they are deleted; expires_after is not supported."
                raise ApiError(400, reason, code="unsupported_parameter", param="expires_after")
            name = upload.filename or "training.jsonl"
            record = await run_in_threadpool(self._files.add_upload, upload.file, name)
        return json_response(record.wire())

    async def list(self, request: Request) -> Response:
        purpose = request.query_params.get("purpose")
        found = [record for record in self._files.all() if purpose in (None, record.purpose)]
        if request.query_params.get("order") == "asc":
            found.reverse()
        return page(request, found, lambda record: record.id, StoredFile.wire)

    async def retrieve(self, request: Request) -> Response:
        return json_response(self._file(request).wire())

    async def delete(self, request: Request) -> Response:
        record = self._file(request)
        self._files.delete(record)
        return json_response({"id": record.id, "object": "file", "deleted": True})

    async def content(self, request: Request) -> Response:
        path = self._files.content(self._file(request))
        return FileResponse(path, media_type="application/octet-stream")

    def _file(self, request: Request) -> StoredFile:
        file_id = request.path_params["file"]
        record = self._files.get(file_id)
        if record is None:
            raise ApiError(404, f"No such File object: {file_id}", param="id")
        return record


class JobRoutes:
    def __init__(self, jobs: Jobs, files: Files, queue: Queue) -> None:
        self._jobs = jobs
        self._files = files
        self._queue = queue

    async def create(self, request: Request) -> Response:
        asked = await read_body(request, AskedJob)
        settings = asked.settings()
        try:
            trainer = await run_in_threadpool(trainer_for, asked.model, settings)
        except SettingError as error:
            raise ApiError(400, str(error), code="invalid_value", param=f"lora.{error.setting}") from None
        except StudioError as error:
            raise ApiError(400, str(error), code="model_not_available", param="model") from None
        if trainer is None:
            raise not_found(asked.model)
        for param, file_id in (
            ("training_file", asked.training_file),
            ("validation_file", asked.validation_file),
        ):
            record = self._files.get(file_id) if file_id else None
            if file_id is not None and (record is None or record.purpose != "fine-tune"):
                raise ApiError(400, f"Invalid file: {file_id} is no training file here.", param=param)
        job = self._jobs.create(
            Job(
                id=new_id("ftjob-"),
                created_at=time.time(),
                model=asked.model,
                training_file=asked.training_file,
                validation_file=asked.validation_file,
                suffix=asked.suffix or None,
                seed=settings.seed,
                metadata=asked.metadata,
                settings=settings,
                status="validating_files",
            )
        )
        created = self._jobs.wire(job)
        try:
            self._queue.submit(job)
        except OSError:
            self._jobs.forget(job)
            raise
        return json_response(created)

    async def list(self, request: Request) -> Response:
        wanted = {
            key: value
            for name, value in request.query_params.items()
            for key in re.findall(r"^metadata\[(.*)\]$", name)
        }
        found = [job for job in self._jobs.all() if wanted.items() <= (job.metadata or {}).items()]
        if request.query_params.get("metadata") == "null":
            found = [job for job in found if job.metadata is None]
        return page(request, found, lambda job: job.id, self._jobs.wire)

    async def retrieve(self, request: Request) -> Response:
        return json_response(self._jobs.wire(self._job(request)))

    async def cancel(self, request: Request) -> Response:
        job = self._job(request)
        if job.status in FINAL:
            raise ApiError(400, f"Job {job.id} has already ended: it {_ended(job)}.", code="job_ended")
        return json_response(self._jobs.wire(self._queue.cancel(job)))

    async def pause(self, request: Request) -> Response:
        job = self._job(request)
        if job.status not in ("queued", "running"):
            raise ApiError(400, f"Job {job.id} is {job.status} and cannot be paused.", code="job_not_running")
        return json_response(self._jobs.wire(self._queue.pause(job)))

    async def resume(self, request: Request) -> Response:
        job = self._job(request)
        if job.status != "paused":
            raise ApiError(400, f"Job {job.id} is {job.status}, not paused.", code="job_not_paused")
        return json_response(self._jobs.wire(self._queue.resume(job)))

    async def events(self, request: Request) -> Response:
        events = self._jobs.events(self._job(request))
        return page(request, events[::-1], lambda event: event.id, lambda event: event.wire())

    async def checkpoints(self, request: Request) -> Response:
        job = self._job(request)
        return page(request, self._jobs.checkpoints(job), lambda row: row.id, lambda row: row.wire(job))

    def _job(self, request: Request) -> Job:
        job_id = request.path_params["job"]
        job = self._jobs.get(job_id)
        if job is None:
            raise ApiError(404, f"Could not find fine tune: {job_id}", code="fine_tune_not_found", param="id")
        return job


def _ended(job: Job) -> str:
    return "was cancelled" if job.status == "cancelled" else job.status


class ModelRoutes:
    def __init__(self, models: Models) -> None:
        self._models = models

    async def list(self, _: Request) -> Response:
        return json_response({"object": "list", "data": self._models.wire()})

    async def retrieve(self, request: Request) -> Response:
        model_id = request.path_params["model"]
        found = next((model for model in self._models.wire() if model["id"] == model_id), None)
        if found is None:
            raise not_found(model_id)
        return json_response(found)

    async def delete(self, request: Request) -> Response:
        model_id = request.path_params["model"]
        if model_id in base_models():
            raise ApiError(403, f"The base model '{model_id}' cannot be deleted.", param="model")
        model = self._models.tuned(model_id)
        if model is None:
            raise not_found(model_id)
        if model.job.status not in FINAL:
            reason = "Its job still needs this checkpoint; cancel the job first."
            raise ApiError(409, reason, code="job_not_ended", param="model")
        self._models.delete(model)
        return json_response({"id": model_id, "object": "model", "deleted": True})


def application(jobs: Jobs, files: Files, queue: Queue, hosts: Hosts, own: list[Route]) -> Starlette:
    """All routes; `own` are those that are not OpenAI's."""
    models = Models(jobs, hosts)
    file, job, model, chat = (
        FileRoutes(files),
        JobRoutes(jobs, files, queue),
        ModelRoutes(models),
        Chat(models),
    )
    usage = UsageRoutes(Usage(files, jobs, models))
    one = "/v1/fine_tuning/jobs/{job}"
    app = Starlette(
        routes=[
            Route("/v1/files", file.create, methods=["POST"]),
            Route("/v1/files", file.list),
            Route("/v1/files/{file}", file.retrieve),
            Route("/v1/files/{file}", file.delete, methods=["DELETE"]),
            Route("/v1/files/{file}/content", file.content),
            Route("/v1/fine_tuning/jobs", job.create, methods=["POST"]),
            Route("/v1/fine_tuning/jobs", job.list),
            Route(one, job.retrieve),
            Route(f"{one}/cancel", job.cancel, methods=["POST"]),
            Route(f"{one}/pause", job.pause, methods=["POST"]),
            Route(f"{one}/resume", job.resume, methods=["POST"]),
            Route(f"{one}/events", job.events),
            Route(f"{one}/checkpoints", job.checkpoints),
            Route("/v1/models", model.list),
            Route("/v1/models/{model:path}", model.retrieve),
            Route("/v1/models/{model:path}", model.delete, methods=["DELETE"]),
            Route("/v1/chat/completions", chat.create, methods=["POST"]),
            Route("/v1/chat/completions/{completion}", chat.retrieve),
            Route("/usage", usage.show),
            Route("/prune", usage.prune, methods=["POST"]),
            *own,
        ],
        exception_handlers={
            ApiError: guard.on_api_error,
            StudioError: guard.on_studio_error,
            HTTPException: guard.on_http_error,
            Exception: guard.on_bug,
        },
    )
    app.router.redirect_slashes = False
    return app
