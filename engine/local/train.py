"""One job's own process: `python -m engine.local.train JOBFOLDER`.

Iterates the trainer and writes down what it yields. Ends when the job is done, when its standard
input is closed (the server wants it to stop, or is gone) or on SIGTERM; in between only files speak.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

# Numerical libraries read this when they are loaded. One core stays free for the person's screen.
os.environ.setdefault("OMP_NUM_THREADS", str(max(1, min(8, (os.cpu_count() or 2) - 1))))

from engine.errors import StudioError
from engine.folders import private
from engine.local import disk, examples
from engine.local.records import (
    CheckpointRow,
    Event,
    Job,
    JobError,
    Measured,
    Result,
    checkpoint_model_id,
)
from engine.local.trainers import (
    Checkpoint,
    Died,
    Example,
    Note,
    Settings,
    Step,
    Validation,
    trainer_for,
)

# A process that nobody waits for any more may finish its step for this long.
_PATIENCE = 20.0


def main(folder: Path) -> int:
    """Train the job in `folder`; its model goes to `models/` beside `jobs/`.

    Leaves `result.json` there, unless it is killed. Returns the exit status.
    """
    stop = threading.Event()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    threading.Thread(target=_watch_server, args=(stop,), daemon=True).start()
    os.nice(5)
    os.umask(0o077)
    # A process of a killed server may still be at its last step: never two on one job.
    with (folder / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        try:
            result = _train(folder, stop)
        except Died as died:
            # As if it had happened to this process: the server resumes the job, once.
            (status,) = died.args
            if status < 0:
                os.kill(os.getpid(), -status)
            return int(status)
        except StudioError as error:
            result = Result("failed", error=JobError("training_failed", str(error)))
        except MemoryError:
            reason = "This machine has too little free memory for this training."
            result = Result("failed", error=JobError("training_failed", reason))
        except OSError as error:
            sys.stderr.write(disk.traces(error) + "\n")
            reason = f"The job's folder cannot be used: {error.strerror or type(error).__name__}."
            result = Result("failed", error=JobError("training_failed", reason))
        except Exception as error:  # noqa: BLE001 - a trainer's bug must not leave the job without a reason
            sys.stderr.write(disk.traces(error) + "\n")
            reason = f"The trainer failed ({type(error).__name__}); the job's train.log says where."
            result = Result("failed", error=JobError("server_error", reason))
        disk.write_record(folder / "result.json", result)
    return 0 if result.status != "failed" else 1


def _train(folder: Path, stop: threading.Event) -> Result:
    job = disk.read_record(folder / "job.json", Job)
    if job is None:
        raise StudioError("The job's record cannot be read.")
    trainer = trainer_for(job.model, job.settings)
    if trainer is None:
        raise StudioError(f"The base model '{job.model}' is not installed here any more.")
    out = private(folder.parent.parent / "models" / job.hash)
    training = examples.read(folder / "training.jsonl")
    validation = examples.read(folder / "validation.jsonl") if job.validation_file else []
    plan = disk.read_record(folder / "plan.json", Settings)
    resume = plan is not None
    if plan is None:
        plan = trainer.plan(training, job.settings)
        disk.write_record(folder / "plan.json", plan)
    journal = _Writer(job, folder, out)
    progress = trainer.train(training, validation, plan, out, resume)
    with closing(progress):
        for item in progress:
            if item is not None:
                journal.write(item)
            if stop.is_set():
                return Result("stopped")
    epochs = plan.n_epochs if isinstance(plan.n_epochs, int) else 1
    if "/" in job.model and (seconds := journal.seconds()):
        share, took = seconds
        made = Measured(job.model, len(training) * epochs * share, took, int(time.time()), plan.lora.trainer)
        disk.append(folder.parent.parent / "measured.jsonl", made)
    return Result("succeeded", trained_tokens=round(_tokens(training) * epochs * journal.done))


class _Writer:
    """Turns what a trainer yields into events and checkpoints. done: the share of all steps made.

    What a resumed trainer does once more is not said again.
    """

    def __init__(self, job: Job, folder: Path, out: Path) -> None:
        self._job = job
        self._folder = folder
        self._out = out
        self._first: tuple[int, float] | None = None
        self._last: Step | None = None
        self._at = 0.0
        self.done = 1.0
        events = disk.Journal(folder / "events.jsonl", Event).read()
        figures = [event.data for event in events if event.data]
        self._said = {"valid" if "valid_loss" in data else "train": data["step"] for data in figures}
        rows = disk.Journal(folder / "checkpoints.jsonl", CheckpointRow).read()
        self._kept = {row.step: row.id for row in rows}

    def seconds(self) -> tuple[float, float] | None:
        """Which share of all steps was made between the first and the last that are known, in which time."""
        if self._first is None or self._last is None or self._last.step == self._first[0]:
            return None
        return (self._last.step - self._first[0]) / self._last.steps, self._at - self._first[1]

    def write(self, item: Step | Validation | Checkpoint | Note) -> None:
        if isinstance(item, Step):
            self._step(item)
        elif isinstance(item, Validation):
            self._validation(item)
        elif isinstance(item, Checkpoint):
            self._checkpoint(item)
        else:
            self._event(Event(disk.new_id("ftevent-"), int(time.time()), item.message, item.level))

    def _step(self, step: Step) -> None:
        now = time.time()
        self._last, self._at = step, now
        self.done = step.step / step.steps
        self._first = self._first or (step.step, now)
        if step.step <= self._said.get("train", 0):
            return
        made = step.step - self._first[0]
        left = (step.steps - step.step) * (now - self._first[1]) / made if made else None
        data = {
            "step": step.step,
            "total_steps": step.steps,
            "epoch": step.epoch,
            "train_loss": step.loss,
            "train_mean_token_accuracy": step.accuracy,
            "estimated_finish": None if left is None else int(now + left),
        }
        text = f"Step {step.step}/{step.steps}: training loss={step.loss:.2f}"
        self._event(Event(disk.new_id("ftevent-"), int(now), text, type="metrics", data=data))

    def _validation(self, validation: Validation) -> None:
        step, loss = validation.step, validation.loss
        if step <= self._said.get("valid", 0):
            return
        data: dict[str, float | int | None] = {
            "step": step,
            "epoch": validation.epoch,
            "valid_loss": loss,
            "valid_mean_token_accuracy": validation.accuracy,
            "full_valid_loss": loss,
            "full_valid_mean_token_accuracy": validation.accuracy,
        }
        text = f"Step {step}: validation loss={loss:.2f}"
        if self._last:
            last = self._last
            text = f"Step {step}/{last.steps}: training loss={last.loss:.2f}, validation loss={loss:.2f}"
            data |= {"total_steps": last.steps, "train_loss": last.loss}
            data |= {"train_mean_token_accuracy": last.accuracy}
        self._event(Event(disk.new_id("ftevent-"), int(time.time()), text, type="metrics", data=data))

    def _checkpoint(self, checkpoint: Checkpoint) -> None:
        row = CheckpointRow(
            id=self._kept.get(checkpoint.step) or disk.new_id("ftckpt_"),
            created_at=int(time.time()),
            step=checkpoint.step,
            folder=str(checkpoint.folder.relative_to(self._out)),
            metrics={
                "step": checkpoint.step,
                "train_loss": checkpoint.train_loss,
                "train_mean_token_accuracy": checkpoint.train_accuracy,
                "valid_loss": checkpoint.valid_loss,
                "valid_mean_token_accuracy": checkpoint.valid_accuracy,
                "full_valid_loss": checkpoint.valid_loss,
                "full_valid_mean_token_accuracy": checkpoint.valid_accuracy,
            },
        )
        disk.append(self._folder / "checkpoints.jsonl", row)
        if checkpoint.step in self._kept:
            return
        model = checkpoint_model_id(self._job, checkpoint.step)
        text = f"Checkpoint created at step {checkpoint.step} with Snapshot ID: {model}"
        self._event(Event(disk.new_id("ftevent-"), int(time.time()), text))

    def _event(self, event: Event) -> None:
        disk.append(self._folder / "events.jsonl", event)


def _tokens(training: list[Example]) -> int:
    from engine import tokens

    return sum(tokens.count_all([message.content for example in training for message in example.messages]))


def _watch_server(stop: threading.Event) -> None:
    """Wait until the server closes our standard input, or is gone; then a hung step may not outlive us."""
    while os.read(0, 1):
        continue
    stop.set()
    time.sleep(_PATIENCE)
    os._exit(75)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
