"""Runs the jobs, one process at a time, and sees to it that none stays "running" when its process has gone.

A job's process is asked to stop by closing its standard input. The same happens by itself when the
server is killed, so a pause, a shutdown and a crash are one case to the process: it stops iterating,
its state saved, and the next start resumes it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from time import monotonic, time

from engine.local.disk import traces
from engine.local.examples import MIN_EXAMPLES
from engine.local.files import Files
from engine.local.guard import log
from engine.local.jobs import Jobs
from engine.local.records import Job, JobError
from engine.local.trainers import bases

# A process that is asked to stop finishes the step it is at; after this many seconds it is killed.
_PATIENCE = 15.0
_MAX_DEATHS = 1


class Queue:
    """One per server. `run` is a task that lives as long as the server; the others are called by routes.

    make_room: gives memory back that nobody needs just now; called before a large model is trained.
    last_end: when the last job's process ended, in monotonic seconds.
    """

    def __init__(self, jobs: Jobs, files: Files, make_room: Callable[[], None]) -> None:
        self._jobs = jobs
        self._files = files
        self._make_room = make_room
        self._wake = asyncio.Event()
        self._closing = False
        self.last_end = monotonic()
        self._current: tuple[str, asyncio.subprocess.Process] | None = None

    @property
    def busy(self) -> bool:
        return self._current is not None

    def recover(self) -> None:
        """Take up what the last server left: its jobs finish, wait in the queue again, or fail."""
        for job in reversed(self._jobs.all()):
            if job.status == "validating_files":
                self.submit(job)
            elif job.status == "running":
                result = self._jobs.result(job)
                if result and result.status != "stopped":
                    self._settle(job, 0)
                else:
                    self._requeue(job, "The local provider was restarted, resuming the fine-tuning job")

    def submit(self, job: Job) -> Job:
        """Validate a new job's files and put it into the queue, or fail it with OpenAI's codes."""
        self._jobs.say(job, f"Validating training file: {job.training_file}")
        if problem := self._problem(job):
            return self._jobs.fail(job, problem)
        self._jobs.say(job, "Files validated, moving job to queued state")
        job = self._jobs.change(job, status="queued")
        self._wake.set()
        return job

    def pause(self, job: Job) -> Job:
        job = self._jobs.change(job, status="paused")
        self._jobs.say(job, "Fine-tuning job paused")
        self._stop(job)
        return job

    def resume(self, job: Job) -> Job:
        job = self._jobs.change(job, status="queued", deaths=0)
        self._jobs.say(job, "Fine-tuning job resumed, moving job to queued state")
        self._wake.set()
        return job

    def cancel(self, job: Job) -> Job:
        self._jobs.say(job, "Fine-tuning job cancelled")
        job = self._jobs.finish(job, "cancelled")
        self._stop(job)
        return job

    async def run(self) -> None:
        while not self._closing:
            waiting = [job for job in self._jobs.all() if job.status == "queued"]
            if waiting:
                await self._train_or_fail(waiting[-1])
            else:
                self._wake.clear()
                await self._wake.wait()

    def close(self) -> None:
        """Let `run` end: the running job stops, its state saved, and waits for the next server."""
        self._closing = True
        self._wake.set()
        if self._current:
            self._end(self._current[1])

    async def _train_or_fail(self, job: Job) -> None:
        try:
            await self._train(job)
        except OSError as error:
            log.error("The job %s could not be run:\n%s", job.id, traces(error))
            reason = f"The job's folder cannot be used: {error.strerror}."
            with suppress(OSError):  # a full disk: it has failed in memory, and on disk with the next start
                now = int(time())
                self._jobs.change(
                    job, status="failed", finished_at=now, error=JobError("server_error", reason)
                )

    async def _train(self, job: Job) -> None:
        folder = self._jobs.folder(job)
        (folder / "result.json").unlink(missing_ok=True)
        if bases.named(job.model):
            self._make_room()
        log = os.open(folder / "train.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *(["-P"] if sys.flags.safe_path else []),  # as this process was started
                "-m",
                "engine.local.train",
                str(folder),
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a Ctrl+C in the server's terminal is not for it
            )
        finally:
            os.close(log)
        self._current = job.id, process
        # While the process was being started the job may have been paused or cancelled, or the server closed.
        started = self._jobs.get(job.id)
        if started and started.status == "queued" and not self._closing:
            self._jobs.change(job, status="running")
            self._jobs.say(job, "Fine-tuning job started")
        else:
            self._end(process)
        returncode = await process.wait()
        self._current = None
        self.last_end = monotonic()
        self._settle(job, returncode)

    def _settle(self, job: Job, returncode: int) -> None:
        """What the end of a job's process means for the job."""
        job = self._jobs.get(job.id) or job
        result = self._jobs.result(job)
        if job.status == "cancelled":
            return
        if result and result.status == "succeeded":
            self._jobs.say(job, f"New fine-tuned model created: {job.model_id}")
            self._jobs.say(job, "The job has successfully completed")
            tokens = result.trained_tokens
            self._jobs.finish(job, "succeeded", fine_tuned_model=job.model_id, trained_tokens=tokens)
        elif result and result.error:
            self._jobs.fail(job, result.error, trained_tokens=result.trained_tokens)
        elif job.status == "running" and self._closing:
            self._requeue(job, "The local provider is stopping, the fine-tuning job waits in the queue")
        elif job.status == "running" and job.deaths < _MAX_DEATHS:
            self._jobs.change(job, deaths=job.deaths + 1)
            self._requeue(job, f"{_how(returncode)}, resuming from its last saved state")
        elif job.status == "running":
            reason = f"{_how(returncode)}, for the second time. Its train.log may say why."
            self._jobs.fail(job, JobError("server_error", reason))

    def _requeue(self, job: Job, reason: str) -> None:
        self._jobs.change(job, status="queued")
        self._jobs.say(job, reason, "warn")

    def _stop(self, job: Job) -> None:
        if self._current and self._current[0] == job.id:
            self._end(self._current[1])

    def _end(self, process: asyncio.subprocess.Process) -> None:
        if process.stdin:
            process.stdin.close()
        asyncio.get_running_loop().call_later(_PATIENCE, _kill, process)

    def _problem(self, job: Job) -> JobError | None:
        for param, file_id in (
            ("training_file", job.training_file),
            ("validation_file", job.validation_file),
        ):
            if file_id is None:
                continue
            record = self._files.get(file_id)
            if record is None:
                return JobError("file_not_found", f"The file {file_id} was deleted.", param)
            if record.status == "error":
                reason = f"The file {file_id} is invalid. {record.status_details}"
                return JobError("invalid_file_format", reason, param)
            if record.examples < (MIN_EXAMPLES if param == "training_file" else 1):
                reason = (
                    f"The file {file_id} has {record.examples} example(s), but must have at least "
                    f"{MIN_EXAMPLES if param == 'training_file' else 1}."
                )
                return JobError("invalid_n_examples", reason, param)
        return None


def _kill(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()


def _how(returncode: int) -> str:
    if returncode < 0:
        return f"The training process was killed ({signal.Signals(-returncode).name})"
    return f"The training process ended unexpectedly (exit status {returncode})"
