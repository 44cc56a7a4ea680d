"""Fine-tuning jobs through the real openai SDK, with the real trainers in their own processes."""

from __future__ import annotations

import csv
import io
import os
import signal
import stat
from collections.abc import Callable, Iterator
from shutil import rmtree
from typing import Any

import openai
import pytest
from local_server import Server, finished, messages, trainer_pid, training_file, wait_for
from msgspec.structs import replace
from openai.types.fine_tuning import FineTuningJob, FineTuningJobEvent
from openai.types.fine_tuning.jobs import FineTuningJobCheckpoint

from engine.local.disk import read_record, write_record
from engine.local.records import Job, JobError, Result

HELLO = [{"role": "user", "content": "Shall we race?"}]
# Learning this slowly, validation improves to the end: no early stop, some 18,000 steps.
SLOW = {"n_epochs": 50, "batch_size": 1, "learning_rate_multiplier": 0.02}
LONG = {"type": "supervised", "supervised": {"hyperparameters": SLOW}}


@pytest.fixture(scope="module")
def client(local_server: Server) -> Iterator[Any]:
    with local_server.client() as client:
        yield client


def upload(client: Any, examples: int, start: int = 0) -> str:
    file = client.files.create(file=("lines.jsonl", training_file(examples, start)), purpose="fine-tune")
    assert isinstance(file.id, str)
    return file.id


def long_job(client: Any, **more: Any) -> Any:
    """A job that takes far longer than any test looks at it, once it has made a step."""
    job = client.fine_tuning.jobs.create(
        model="imitation", training_file=upload(client, 400), method=LONG, seed=1, **more
    )
    wait_for(lambda: steps(client, job.id))
    return job


def saved(client: Any, job_id: str) -> bool:
    """Whether the job has gone on after a checkpoint: there is a state to resume from."""
    rows = client.fine_tuning.jobs.checkpoints.list(job_id).data
    return bool(rows) and max(steps(client, job_id)) > rows[0].step_number


def steps(client: Any, job_id: str) -> list[int]:
    """The steps told so far, in the order told."""
    events = client.fine_tuning.jobs.list_events(job_id, limit=10_000).data[::-1]
    return [event.data["step"] for event in events if event.type == "metrics"]


def status(client: Any, job_id: str) -> str:
    return str(client.fine_tuning.jobs.retrieve(job_id).status)


# --- a whole job ---------------------------------------------------------------------------------


def test_a_job_from_file_to_model(local_server: Server, client: Any) -> None:
    training, validation = upload(client, 30), upload(client, 10, start=100)
    method = {
        "type": "supervised",
        "supervised": {
            "hyperparameters": {"n_epochs": 3, "batch_size": "auto", "learning_rate_multiplier": 0.5}
        },
    }
    created = client.fine_tuning.jobs.create(
        model="imitation",
        training_file=training,
        validation_file=validation,
        suffix="My Tortoise!",
        seed=11,
        metadata={"understudy_key": "k-1"},
        method=method,
    )
    assert created.status == "validating_files"
    job = finished(client, created.id)
    FineTuningJob.model_validate(job.model_dump(exclude={"user_provided_suffix"}), strict=True)
    assert job.status == "succeeded"
    assert job.error is None
    assert job.fine_tuned_model == f"ft:imitation:my-tortoise:{created.id.removeprefix('ftjob-')[:8]}"
    assert (job.training_file, job.validation_file, job.seed) == (training, validation, 11)
    assert job.metadata == {"understudy_key": "k-1"}
    resolved = job.method.supervised.hyperparameters
    assert (resolved.n_epochs, resolved.learning_rate_multiplier) == (3, 0.5)
    assert isinstance(resolved.batch_size, int)
    assert job.hyperparameters.n_epochs == 3
    assert job.finished_at >= job.created_at
    assert job.trained_tokens > 100

    told = messages(client, job.id)
    assert told[:4] == [
        f"Created fine-tuning job: {job.id}",
        f"Validating training file: {training}",
        "Files validated, moving job to queued state",
        "Fine-tuning job started",
    ]
    assert told[-2:] == [
        f"New fine-tuned model created: {job.fine_tuned_model}",
        "The job has successfully completed",
    ]
    metrics = [e for e in client.fine_tuning.jobs.list_events(job.id, limit=1000).data if e.type == "metrics"]
    for event in metrics:
        FineTuningJobEvent.model_validate(event.model_dump(), strict=True)
        assert event.message.startswith(
            f"Step {event.data['step']}/{event.data['total_steps']}: training loss="
        )
        assert event.data["train_loss"] > 0
        assert 0 <= event.data["train_mean_token_accuracy"] <= 1
    validated = [event for event in metrics if "full_valid_loss" in event.data]
    assert validated
    assert all("validation loss=" in event.message for event in validated)

    checkpoints = client.fine_tuning.jobs.checkpoints.list(job.id).data
    assert checkpoints
    for checkpoint in checkpoints:
        FineTuningJobCheckpoint.model_validate(checkpoint.model_dump(), strict=True)
        step = checkpoint.step_number
        assert checkpoint.fine_tuned_model_checkpoint == f"{job.fine_tuned_model}:ckpt-step-{step}"
        assert checkpoint.metrics.train_loss is not None
        assert checkpoint.metrics.full_valid_loss is not None
        model = checkpoint.fine_tuned_model_checkpoint
        assert client.chat.completions.create(model=model, messages=HELLO).choices[0].message.content
    assert [c.step_number for c in checkpoints] == sorted((c.step_number for c in checkpoints), reverse=True)

    (results,) = job.result_files
    assert client.files.retrieve(results).purpose == "fine-tune-results"
    rows = list(csv.DictReader(io.StringIO(client.files.content(results).text)))
    columns = ["step", "train_loss", "train_accuracy", "valid_loss", "valid_mean_token_accuracy"]
    assert list(rows[0]) == columns
    assert [int(row["step"]) for row in rows] == sorted({event.data["step"] for event in metrics})
    assert any(row["valid_loss"] for row in rows)
    for path in local_server.folder.rglob("*"):
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path
    assert not list((local_server.folder / "jobs" / job.id).glob("*.jsonl.*"))
    assert not (local_server.folder / "jobs" / job.id / "training.jsonl").exists()


def test_events_are_newest_first_and_paged(client: Any) -> None:
    job = client.fine_tuning.jobs.create(model="imitation", training_file=upload(client, 20), seed=1)
    finished(client, job.id)
    first = client.fine_tuning.jobs.list_events(job.id, limit=3)
    assert first.has_more
    assert first.data[0].message == "The job has successfully completed"
    paged = [event.id for event in client.fine_tuning.jobs.list_events(job.id, limit=3)]
    everything = client.fine_tuning.jobs.list_events(job.id, limit=1000)
    assert paged == [event.id for event in everything.data]
    assert len(paged) == len(set(paged)) > 6
    assert not everything.has_more


def test_what_is_absent_is_chosen(client: Any) -> None:
    training = upload(client, 12)
    jobs = [client.fine_tuning.jobs.create(model="nearest", training_file=training) for _ in range(2)]
    assert jobs[0].seed != jobs[1].seed
    ended = finished(client, jobs[0].id)
    assert ended.seed == jobs[0].seed
    assert ended.fine_tuned_model == f"ft:nearest::{jobs[0].id.removeprefix('ftjob-')[:8]}"
    assert isinstance(ended.hyperparameters.n_epochs, int)
    finished(client, jobs[1].id)


def test_the_deprecated_hyperparameters_work(client: Any) -> None:
    job = client.fine_tuning.jobs.create(
        model="imitation", training_file=upload(client, 12), hyperparameters={"n_epochs": 2}
    )
    assert job.hyperparameters.n_epochs == 2
    assert finished(client, job.id).hyperparameters.n_epochs == 2


def test_jobs_are_found_by_their_metadata(client: Any) -> None:
    training = upload(client, 12)
    create = client.fine_tuning.jobs.create
    made = [
        create(model="nearest", training_file=training, metadata={"set": "b", "n": str(n)}).id
        for n in range(3)
    ]
    plain = create(model="nearest", training_file=training).id
    listed = client.fine_tuning.jobs.list
    assert [job.id for job in listed(metadata={"set": "b"})] == made[::-1]
    assert [job.id for job in listed(metadata={"set": "b", "n": "1"})] == [made[1]]
    assert [job.id for job in listed(metadata={"set": "c"})] == []
    page = listed(metadata={"set": "b"}, limit=2)
    assert page.has_more
    assert [job.id for job in listed(metadata={"set": "b"}, limit=2, after=page.data[-1].id)] == [made[0]]
    assert plain in [job.id for job in listed(extra_query={"metadata": "null"})]
    assert made[0] not in [job.id for job in listed(extra_query={"metadata": "null"})]
    for job in [*made, plain]:
        finished(client, job)


# --- refusals ------------------------------------------------------------------------------------


def test_too_few_examples_fail_the_job(client: Any) -> None:
    created = client.fine_tuning.jobs.create(model="imitation", training_file=upload(client, 9))
    assert created.status == "validating_files"
    job = finished(client, created.id)
    assert (job.status, job.error.code, job.error.param) == ("failed", "invalid_n_examples", "training_file")
    assert "9 example(s), but must have at least 10" in job.error.message
    assert job.fine_tuned_model is None
    event = client.fine_tuning.jobs.list_events(job.id).data[0]
    assert (event.level, event.message) == ("error", job.error.message)


def test_a_broken_file_fails_the_job(client: Any) -> None:
    broken = client.files.create(file=("broken.jsonl", b"not json\n" * 20), purpose="fine-tune")
    job = finished(client, client.fine_tuning.jobs.create(model="imitation", training_file=broken.id).id)
    assert (job.status, job.error.code) == ("failed", "invalid_file_format")
    assert "line 1" in job.error.message


def test_unknown_models_and_files_are_refused(client: Any) -> None:
    training = upload(client, 12)
    count = len(client.fine_tuning.jobs.list(limit=1000).data)
    with pytest.raises(openai.NotFoundError) as model:
        client.fine_tuning.jobs.create(model="gpt-4o", training_file=training)
    assert model.value.code == "model_not_found"
    for param in ("training_file", "validation_file"):
        asked = {"model": "imitation", "training_file": training, param: "file-nothing"}
        with pytest.raises(openai.BadRequestError) as file:
            client.fine_tuning.jobs.create(**asked)
        assert file.value.param == param
    assert len(client.fine_tuning.jobs.list(limit=1000).data) == count


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"suffix": "x" * 65}, "suffix"),
        ({"seed": -1}, "seed"),
        ({"metadata": {"k": "v" * 513}}, "metadata[...]"),
        ({"metadata": {"k" * 65: "v"}}, None),
        ({"metadata": {str(n): "v" for n in range(17)}}, "metadata"),
        ({"method": {"type": "dpo"}}, "method.type"),
        ({"hyperparameters": {"n_epochs": 0}}, "hyperparameters.n_epochs"),
        ({"hyperparameters": {"n_epochs": "many"}}, "hyperparameters.n_epochs"),
        ({"integrations": [{"type": "wandb", "wandb": {"project": "p"}}]}, "integrations"),
    ],
)
def test_settings_out_of_range_are_refused(client: Any, change: dict[str, Any], param: str | None) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.fine_tuning.jobs.create(**{"model": "imitation", "training_file": "file-1", **change})
    if param:
        assert refused.value.param == param


# --- cancel, pause, resume -----------------------------------------------------------------------


def test_one_job_runs_at_a_time_and_others_wait(client: Any) -> None:
    running = long_job(client)
    waiting = client.fine_tuning.jobs.create(model="nearest", training_file=upload(client, 12))
    assert status(client, waiting.id) == "queued"
    assert status(client, running.id) == "running"
    wait_for(lambda: client.fine_tuning.jobs.retrieve(running.id).estimated_finish)
    shown = client.fine_tuning.jobs.retrieve(running.id)
    assert shown.finished_at is None
    assert shown.estimated_finish >= shown.created_at
    assert shown.hyperparameters.batch_size == 1
    cancelled = client.fine_tuning.jobs.cancel(running.id)
    assert cancelled.status == "cancelled"
    assert finished(client, waiting.id).status == "succeeded"
    assert status(client, running.id) == "cancelled"
    assert "Fine-tuning job cancelled" in messages(client, running.id)
    with pytest.raises(openai.BadRequestError) as ended:
        client.fine_tuning.jobs.cancel(running.id)
    assert "was cancelled" in ended.value.message


def test_a_waiting_job_can_be_paused_and_cancelled(client: Any) -> None:
    running = long_job(client)
    waiting = client.fine_tuning.jobs.create(model="nearest", training_file=upload(client, 12))
    assert client.fine_tuning.jobs.pause(waiting.id).status == "paused"
    assert client.fine_tuning.jobs.cancel(waiting.id).status == "cancelled"
    client.fine_tuning.jobs.cancel(running.id)
    assert not steps(client, waiting.id)


def test_a_cancelled_job_keeps_its_checkpoints(client: Any) -> None:
    job = long_job(client)
    wait_for(lambda: client.fine_tuning.jobs.checkpoints.list(job.id).data)
    with pytest.raises(openai.ConflictError):
        client.models.delete(
            client.fine_tuning.jobs.checkpoints.list(job.id).data[0].fine_tuned_model_checkpoint
        )
    assert client.fine_tuning.jobs.cancel(job.id).status == "cancelled"
    (newest, *_) = client.fine_tuning.jobs.checkpoints.list(job.id).data
    model = newest.fine_tuned_model_checkpoint
    assert client.chat.completions.create(model=model, messages=HELLO).choices[0].message.content
    assert client.fine_tuning.jobs.retrieve(job.id).fine_tuned_model is None


def test_pause_and_resume(local_server: Server, client: Any) -> None:
    job = long_job(client)
    wait_for(lambda: saved(client, job.id))
    assert client.fine_tuning.jobs.pause(job.id).status == "paused"
    with pytest.raises(openai.BadRequestError):
        client.fine_tuning.jobs.pause(job.id)
    wait_for(lambda: gone(trainer_pid(local_server.folder, job.id)))
    before = max(steps(client, job.id))
    assert status(client, job.id) == "paused"
    assert client.fine_tuning.jobs.resume(job.id).status == "queued"
    wait_for(lambda: max(steps(client, job.id)) > before)
    told = steps(client, job.id)
    assert told.count(told[0]) == 1  # it went on, and did not begin afresh
    assert "Fine-tuning job paused" in messages(client, job.id)
    with pytest.raises(openai.BadRequestError):
        client.fine_tuning.jobs.resume(job.id)
    client.fine_tuning.jobs.cancel(job.id)


def test_the_files_of_a_job_may_be_deleted_meanwhile(client: Any) -> None:
    running = long_job(client)
    training = upload(client, 12)
    waiting = client.fine_tuning.jobs.create(model="nearest", training_file=training)
    client.files.delete(training)
    client.fine_tuning.jobs.cancel(running.id)
    assert finished(client, waiting.id).status == "succeeded"


# --- processes that die --------------------------------------------------------------------------


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_killed_training_is_resumed_once_and_then_fails(local_server: Server, client: Any) -> None:
    job = long_job(client)
    first = trainer_pid(local_server.folder, job.id)
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: messages(client, job.id).count("Fine-tuning job started") == 2)
    wait_for(lambda: trainer_pid(local_server.folder, job.id) != first)
    assert status(client, job.id) == "running"
    os.kill(trainer_pid(local_server.folder, job.id), signal.SIGKILL)
    ended = finished(client, job.id)
    assert (ended.status, ended.error.code) == ("failed", "server_error")
    assert "SIGKILL" in ended.error.message
    assert "for the second time" in ended.error.message


def test_a_killed_server_takes_its_training_along_and_the_next_resumes_it(
    start_server: Callable[..., Server],
) -> None:
    server = start_server()
    with server.client() as client:
        job = long_job(client, metadata={"k": "v"})
        before = max(steps(client, job.id))
    trainer = trainer_pid(server.folder, job.id)
    server.kill()
    assert server.endpoint()["pid"] == server.process.pid
    wait_for(lambda: gone(trainer))
    second = start_server()
    with second.client() as client:
        wait_for(lambda: max(steps(client, job.id)) > before)
        assert status(client, job.id) == "running"
        assert client.fine_tuning.jobs.retrieve(job.id).metadata == {"k": "v"}
        assert "The local provider was restarted, resuming the fine-tuning job" in messages(client, job.id)
        client.fine_tuning.jobs.cancel(job.id)


def test_a_stopped_server_puts_its_job_back_into_the_queue(start_server: Callable[..., Server]) -> None:
    server = start_server()
    with server.client() as client:
        job = long_job(client)
        wait_for(lambda: saved(client, job.id))
        first, told = steps(client, job.id)[0], len(steps(client, job.id))
    trainer = trainer_pid(server.folder, job.id)
    assert server.stop() == 0
    assert gone(trainer)
    second = start_server()
    with second.client() as client:
        wait_for(lambda: messages(client, job.id).count("Fine-tuning job started") == 2)
        wait_for(lambda: len(steps(client, job.id)) > told)
        assert steps(client, job.id).count(first) == 1  # it went on, and did not begin afresh
        client.fine_tuning.jobs.cancel(job.id)


def test_a_job_that_ended_after_its_server_did_is_taken_up(start_server: Callable[..., Server]) -> None:
    server = start_server()
    with server.client() as client:
        training = upload(client, 12)
        ended = [
            finished(client, client.fine_tuning.jobs.create(model="nearest", training_file=training).id)
            for _ in range(2)
        ]
    server.stop()
    for job, outcome in zip(ended, ("succeeded", "failed"), strict=True):
        folder = server.folder / "jobs" / job.id
        record = read_record(folder / "job.json", Job)
        assert record
        error = JobError("training_failed", "No reply to learn.") if outcome == "failed" else None
        write_record(folder / "job.json", replace(record, status="running", fine_tuned_model=None))
        write_record(folder / "result.json", Result(outcome, error=error))
    with start_server().client() as client:
        first, second = (client.fine_tuning.jobs.retrieve(job.id) for job in ended)
        assert (first.status, first.fine_tuned_model) == ("succeeded", ended[0].fine_tuned_model)
        assert (second.status, second.error.message) == ("failed", "No reply to learn.")


def test_a_job_whose_folder_is_gone_fails_and_the_next_one_runs(start_server: Callable[..., Server]) -> None:
    server = start_server()
    with server.client() as client:
        training = upload(client, 12)
        running = long_job(client)
        lost = client.fine_tuning.jobs.create(model="nearest", training_file=training)
        rmtree(server.folder / "jobs" / lost.id)
        following = client.fine_tuning.jobs.create(model="nearest", training_file=training)
        client.fine_tuning.jobs.cancel(running.id)
        assert finished(client, following.id).status == "succeeded"
        ended = client.fine_tuning.jobs.retrieve(lost.id)
        assert (ended.status, ended.error.message) == (
            "failed",
            "The job's folder cannot be used: No such file or directory.",
        )


def test_a_paused_job_stays_paused_over_a_restart(start_server: Callable[..., Server]) -> None:
    server = start_server()
    with server.client() as client:
        job = long_job(client)
        client.fine_tuning.jobs.pause(job.id)
    assert server.stop() == 0
    with start_server().client() as client:
        assert status(client, job.id) == "paused"


def test_what_was_made_is_there_after_a_restart(start_server: Callable[..., Server]) -> None:
    server = start_server()
    with server.client() as client:
        job = client.fine_tuning.jobs.create(model="imitation", training_file=upload(client, 20), seed=5)
        ended = finished(client, job.id)
        reply = client.chat.completions.create(model=ended.fine_tuned_model, messages=HELLO, seed=2)
        files = client.files.list().data
    server.kill()
    with start_server().client() as client:
        assert client.fine_tuning.jobs.retrieve(job.id) == ended
        assert client.files.list().data == files
        again = client.chat.completions.create(model=ended.fine_tuned_model, messages=HELLO, seed=2)
        assert again.choices == reply.choices
