"""What stays on the disk: of a full one, and of a process that was killed."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.local import disk
from engine.local.files import Files
from engine.local.jobs import Jobs
from engine.local.records import Event, Job, JobError
from engine.local.trainers import Settings


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """What a full disk is to whoever writes: no file grows beyond `size` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def event(number: int) -> Event:
    return Event(f"ftevent-{number}", number, "a step was made")


def test_a_line_that_a_full_disk_tore_costs_itself_alone(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    disk.append(path, event(1))
    with files_of_at_most(path.stat().st_size + 20), pytest.raises(OSError, match="No space left"):
        disk.append(path, event(2))
    disk.append(path, event(3))
    assert disk.Journal(path, Event).read() == [event(1), event(3)]
    assert path.stat().st_mode & 0o777 == 0o600


def new_job() -> Job:
    return Job(
        id="ftjob-0123456789abcdef01234567",
        created_at=1.0,
        model="imitation",
        training_file="file-1",
        validation_file=None,
        suffix=None,
        seed=1,
        metadata=None,
        settings=Settings(),
        status="validating_files",
    )


def test_a_job_that_the_disk_did_not_take_does_not_exist(tmp_path: Path) -> None:
    job = new_job()
    jobs = Jobs(tmp_path, Files(tmp_path / "files"))
    with files_of_at_most(20), pytest.raises(OSError, match="large"):
        jobs.create(job)
    assert jobs.all() == []
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    jobs.create(job)
    assert jobs.all() == Jobs(tmp_path, Files(tmp_path / "files")).all() == [job]


def test_of_a_killed_process_no_example_stays(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path, Files(tmp_path / "files"))
    job = jobs.create(new_job())
    state = jobs.model_folder(job) / "state"
    state.mkdir(parents=True)
    (state / "data.msgpack").write_bytes(b"what somebody said")
    jobs.fail(job, JobError("server_error", "The training process was killed."))
    assert not list(tmp_path.rglob("data.msgpack"))
