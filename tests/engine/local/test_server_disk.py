"""What the local provider takes on disk, and that pruning removes what nobody needs and nothing else."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from local_server import Server, finished, training_file, wait_for


@pytest.fixture
def server(start_server: Callable[..., Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    return start_server()


def items(server: Server) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = server.raw().get("/usage").json()["data"]
    return found


def prune(server: Server, *paths: str) -> list[str]:
    """The ids of what went, of all that is spare or of these paths."""
    asked = list(paths) or [item["path"] for item in items(server) if item["prune"]]
    gone = server.raw().post("/prune", json={"paths": asked}).json()["data"]
    return [item["id"] for item in gone]


def job(server: Server, examples: int = 60, content: bytes = b"", **settings: Any) -> Any:
    client = server.client()
    upload = client.files.create(file=("x.jsonl", content or training_file(examples)), purpose="fine-tune")
    settings.setdefault("model", "imitation")
    return client.fine_tuning.jobs.create(training_file=upload.id, **settings)


def disk(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_usage_counts_every_byte_once(server: Server) -> None:
    made = finished(server.client(), job(server, hyperparameters={"n_epochs": 3}).id)
    by_kind: dict[str, list[dict[str, Any]]] = {}
    for item in items(server):
        by_kind.setdefault(item["kind"], []).append(item)
    assert {"job", "model", "checkpoint", "upload", "results"} == by_kind.keys()
    assert [one["id"] for one in by_kind["model"]] == [made.fine_tuned_model]
    models = sum(one["bytes"] for kind in ("model", "checkpoint") for one in by_kind[kind])
    assert models == disk(server.folder / "models")
    assert by_kind["upload"][0]["bytes"] == len(training_file(60))
    assert sum(one["bytes"] for one in by_kind["job"]) == disk(server.folder / "jobs")


def test_what_nobody_needs_goes_and_the_best_stays(server: Server) -> None:
    client = server.client()
    made = finished(client, job(server, hyperparameters={"n_epochs": 3}).id)
    rows = client.fine_tuning.jobs.checkpoints.list(made.id).data
    assert len(rows) > 1
    best = min(rows, key=lambda row: row.metrics.full_valid_loss).fine_tuned_model_checkpoint
    before = disk(server.folder)
    spare = sum(item["bytes"] for item in items(server) if item["prune"])
    gone = prune(server)
    assert made.training_file in gone and best not in gone
    left = [row.fine_tuned_model_checkpoint for row in client.fine_tuning.jobs.checkpoints.list(made.id).data]
    assert left == [best]
    assert before - disk(server.folder) >= spare > 0
    assert made.training_file not in [file.id for file in client.files.list(purpose="fine-tune").data]
    for model in (made.fine_tuned_model, best):
        talk = [{"role": "user", "content": "Shall we race?"}]
        assert client.chat.completions.create(model=model, messages=talk).choices[0].message.content
    assert not [item for item in items(server) if item["prune"]]
    assert client.fine_tuning.jobs.retrieve(made.id).status == "succeeded", "the job itself is remembered"


def test_a_running_and_a_paused_job_lose_nothing(server: Server) -> None:
    client = server.client()
    running = job(server, 400, hyperparameters={"n_epochs": 50})
    wait_for(lambda: client.fine_tuning.jobs.checkpoints.list(running.id).data)
    assert prune(server) == []
    everything = [item["path"] for item in items(server)]
    assert prune(server, *everything, "/etc", str(server.folder)) == []
    client.fine_tuning.jobs.pause(running.id)
    assert prune(server) == []
    client.fine_tuning.jobs.resume(running.id)
    wait_for(lambda: client.fine_tuning.jobs.retrieve(running.id).status == "running")


def test_a_cancelled_jobs_state_goes_when_its_process_has_gone(server: Server) -> None:
    client = server.client()
    cut = job(server, 400, hyperparameters={"n_epochs": 50})
    wait_for(lambda: len(client.fine_tuning.jobs.checkpoints.list(cut.id).data) > 1)
    client.fine_tuning.jobs.cancel(cut.id)
    wait_for(lambda: any(item["kind"] == "training state" and item["prune"] for item in items(server)))
    assert cut.id in prune(server)
    (left,) = client.fine_tuning.jobs.checkpoints.list(cut.id).data
    talk = [{"role": "user", "content": "Shall we race?"}]
    model = left.fine_tuned_model_checkpoint
    assert client.chat.completions.create(model=model, messages=talk).choices[0].message.content
    assert disk(server.folder / "models") == sum(
        item["bytes"] for item in items(server) if item["kind"] == "checkpoint"
    )


def test_a_failed_jobs_remains_go(server: Server) -> None:
    silent = {"messages": [{"role": "user", "content": "hey"}, {"role": "assistant", "content": " "}]}
    made = finished(server.client(), job(server, content=(json.dumps(silent) + "\n").encode() * 12).id)
    assert made.status == "failed"
    remains = server.folder / "models" / made.id.removeprefix("ftjob-")[:8]
    (remains / "state.bin").write_bytes(b"half of it")
    assert made.id in prune(server) and not remains.exists()


def test_a_checkpoint_that_was_just_asked_stays(server: Server) -> None:
    client = server.client()
    made = finished(client, job(server, hyperparameters={"n_epochs": 3}).id)
    spare = [item["id"] for item in items(server) if item["prune"] and item["kind"] == "checkpoint"]
    talk = [{"role": "user", "content": "Shall we race?"}]
    client.chat.completions.create(model=spare[0], messages=talk)
    assert spare[0] not in prune(server)
    assert spare[0] in [
        row.fine_tuned_model_checkpoint for row in client.fine_tuning.jobs.checkpoints.list(made.id)
    ]


def test_a_young_upload_waits_for_its_job_and_an_old_one_goes(
    server: Server, start_server: Callable[..., Server]
) -> None:
    client = server.client()
    young = client.files.create(file=("x.jsonl", training_file(12)), purpose="fine-tune")
    old = client.files.create(file=("x.jsonl", training_file(12)), purpose="fine-tune")
    server.stop()
    record = server.folder / "files" / f"{old.id}.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "created_at": time.time() - 90_000}))
    again = start_server()
    assert prune(again) == [old.id]
    assert [file.id for file in again.client().files.list().data] == [young.id]


def test_what_belongs_to_no_job_any_more_goes(server: Server) -> None:
    stray = server.folder / "models" / "0123abcd"
    stray.mkdir()
    (stray / "model.npz").write_bytes(b"x" * 10)
    assert prune(server) == ["0123abcd"] and not stray.exists()


def test_without_the_token_nothing_is_told_or_removed(server: Server) -> None:
    with server.raw(token="wrong") as client:
        assert client.get("/usage").status_code == 401
        assert client.post("/prune", json={"paths": []}).status_code == 401
    assert server.raw().post("/prune", json={"paths": 3}).status_code == 400
