"""The trainer mlx behind the protocol: its jobs and their models, through the openai SDK."""

from __future__ import annotations

import fcntl
import math
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
import seasons
import tiny_language_model
from local_server import Server, messages, trainer_pid
from local_server import finished as finished_soon
from local_server import wait_for as wait_a_moment_for

EPOCHS, STEPS = 5, 150
RULE = {"n_epochs": EPOCHS, "batch_size": 8, "learning_rate_multiplier": 1.0}
LORA = {"trainer": "mlx", "rank": 32, "dropout": 0.0, "learning_rate": 0.01}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, base: Path) -> Path:
    """The folder of a server whose one job learned the rule, without disturbance. Workers share it."""
    alone = "PYTEST_XDIST_WORKER" not in os.environ
    root = tmp_path_factory.mktemp("shared") if alone else tmp_path_factory.getbasetemp().parent
    with (root / "mlx.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (root / "mlx-trained").exists():
            server = Server(root / "mlx-training").start()
            with server.client() as client:
                finished(client, start(client, base).id)
            server.stop()
            (root / "mlx-training").rename(root / "mlx-trained")
    return root / "mlx-trained"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, trained: Path) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("mlx") / "served"
    shutil.copytree(trained, folder)
    server = Server(folder).start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[Any]:
    with server.client() as client:
        yield client


@pytest.fixture(scope="module")
def job(client: Any) -> Any:
    """The job that learned the rule."""
    return client.fine_tuning.jobs.list().data[-1]


def finished(client: Any, job_id: str) -> Any:
    # Training and looking share the cores.
    return finished_soon(client, job_id, seconds=300, every=0.2)


def wait_for(happened: Any) -> None:
    wait_a_moment_for(happened, seconds=120, every=0.1)


def at_step(client: Any, job_id: str) -> int:
    """The step told last; 0 before the first."""
    (event,) = client.fine_tuning.jobs.list_events(job_id, limit=1).data
    return event.data["step"] if event.type == "metrics" else 0


def start(client: Any, base: Path, **lora: Any) -> Any:
    training = client.files.create(file=("even.jsonl", seasons.file(240)), purpose="fine-tune")
    held = client.files.create(file=("odd.jsonl", seasons.file(40, odd=True)), purpose="fine-tune")
    return client.fine_tuning.jobs.create(
        model=str(base),
        training_file=training.id,
        validation_file=held.id,
        seed=1,
        method={"type": "supervised", "supervised": {"hyperparameters": RULE}},
        extra_body={"lora": {**LORA, **lora}},
    )


def metrics(client: Any, job_id: str) -> list[dict[str, Any]]:
    """The figures of all steps told so far, in the order told."""
    events = client.fine_tuning.jobs.list_events(job_id, limit=10_000).data[::-1]
    return [event.data for event in events if event.type == "metrics"]


def weights(server: Server, job: Any) -> dict[str, Any]:
    import mlx.core as mx

    folder = server.folder / "models" / job.id.removeprefix("ftjob-")[:8]
    loaded: dict[str, Any] = mx.load(str(folder / "adapters.safetensors"))
    return loaded


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all((one[name] == other[name]).all().item() for name in one)


def answer(client: Any, model: str, asked: str, **more: Any) -> Any:
    asked_messages = [{"role": "user", "content": asked}]
    more = {"temperature": 0, "max_tokens": 20, **more}
    return client.chat.completions.create(model=model, messages=asked_messages, **more)


def right(client: Any, model: str) -> float:
    """The share of held-out questions that the model answers right, to the letter."""
    asked = [seasons.question(2 * number + 1) for number in range(24)]
    return sum(
        answer(client, model, question).choices[0].message.content == reply for question, reply in asked
    ) / len(asked)


# --- a whole job ---------------------------------------------------------------------------------


def test_the_loss_falls_and_every_step_is_told(client: Any, job: Any) -> None:
    assert job.status == "succeeded", job.error
    told = metrics(client, job.id)
    steps = [data for data in told if "full_valid_loss" not in data]
    assert [data["step"] for data in steps] == list(range(1, STEPS + 1))
    assert {data["total_steps"] for data in steps} == {STEPS}
    first, last = steps[:10], steps[-10:]
    assert sum(data["train_loss"] for data in last) < sum(data["train_loss"] for data in first) / 4
    assert sum(data["train_mean_token_accuracy"] for data in last) > 9.5
    held = [data["full_valid_loss"] for data in told if "full_valid_loss" in data]
    assert len(held) == EPOCHS
    assert held[-1] < held[0]
    assert any("with mlx on the" in message for message in messages(client, job.id))


def test_what_it_learned_is_the_rule(client: Any, base: Path, job: Any) -> None:
    assert right(client, str(base)) <= 0.25
    assert right(client, job.fine_tuned_model) >= 0.9


def test_each_epoch_left_a_model_that_answers(client: Any, job: Any) -> None:
    checkpoints = client.fine_tuning.jobs.checkpoints.list(job.id).data
    assert [checkpoint.step_number for checkpoint in checkpoints] == [150, 120, 90, 60, 30]
    for checkpoint in checkpoints:
        assert checkpoint.metrics.full_valid_loss is not None
    first = checkpoints[-1].fine_tuned_model_checkpoint
    assert answer(client, first, "How is May in Oslo?").choices[0].message.content is not None
    assert right(client, first) < right(client, job.fine_tuned_model)


def test_a_reply_streams_and_its_figures_agree(client: Any, job: Any) -> None:
    asked, reply = seasons.question(1)
    whole = answer(client, job.fine_tuned_model, asked, logprobs=True, top_logprobs=3)
    (choice,) = whole.choices
    assert choice.message.content == reply
    assert choice.finish_reason == "stop"
    assert "".join(token.token for token in choice.logprobs.content) == reply
    assert all(token.logprob == token.top_logprobs[0].logprob for token in choice.logprobs.content)
    assert math.exp(choice.logprobs.content[0].logprob) > 0.5
    assert whole.usage.completion_tokens == len(choice.logprobs.content) + 1  # the end token counts

    chunks = list(
        answer(client, job.fine_tuned_model, asked, stream=True, stream_options={"include_usage": True})
    )
    pieces = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices]
    assert "".join(piece for piece in pieces if piece) == reply
    assert sum(bool(piece) for piece in pieces) > 1
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens


def test_a_reply_keeps_to_what_was_asked(client: Any, base: Path, job: Any) -> None:
    model = job.fine_tuned_model
    asked, reply = seasons.question(1)
    before, _, _ = reply.partition(" it")
    assert answer(client, model, asked, stop=" it").choices[0].message.content == before
    short = answer(client, model, asked, max_tokens=1).choices[0]
    assert short.finish_reason == "length"
    assert reply.startswith(short.message.content)
    drawn = [
        answer(client, str(base), asked, temperature=1.0, seed=seed).choices[0].message.content
        for seed in (1, 1, 2)
    ]
    assert drawn[0] == drawn[1] != drawn[2]


def test_the_folder_is_one_of_mlx_lm_itself(server: Server, client: Any, base: Path, job: Any) -> None:
    from mlx_lm import generate, load

    folder = server.folder / "models" / job.id.removeprefix("ftjob-")[:8]
    model, tokenizer = load(str(base), adapter_path=str(folder))
    asked, reply = seasons.question(3)
    prompt = tokenizer.apply_chat_template([{"role": "user", "content": asked}], add_generation_prompt=True)
    assert generate(model, tokenizer, prompt, max_tokens=20) == reply


# --- jobs that do not run through ----------------------------------------------------------------


def test_a_training_paused_and_then_killed_ends_with_the_very_same_model(
    server: Server, client: Any, base: Path, job: Any
) -> None:
    other = start(client, base)
    folder = server.folder / "models" / other.id.removeprefix("ftjob-")[:8]

    def steps() -> list[int]:
        return [data["step"] for data in metrics(client, other.id) if "full_valid_loss" not in data]

    wait_for(lambda: at_step(client, other.id) > 40)
    client.fine_tuning.jobs.pause(other.id)
    wait_for(lambda: (server.folder / "jobs" / other.id / "result.json").exists())
    paused = steps()
    assert 40 < len(paused) < STEPS
    assert (folder / "state.safetensors").exists()

    client.fine_tuning.jobs.resume(other.id)
    wait_for(lambda: at_step(client, other.id) > 70)
    assert steps()[len(paused)] == paused[-1] + 1, "resumed where it was paused"
    os.kill(trainer_pid(server.folder, other.id), signal.SIGKILL)
    done = finished(client, other.id)
    assert done.status == "succeeded", done.error
    assert any("was killed (SIGKILL), resuming" in message for message in messages(client, done.id))
    assert steps() == list(range(1, STEPS + 1)), "what is made again is said once"
    assert same(weights(server, done), weights(server, job))
    assert not (folder / "state.safetensors").exists()


def test_a_cancelled_training_ends(server: Server, client: Any, base: Path) -> None:
    job = start(client, base)
    wait_for(lambda: at_step(client, job.id))
    assert client.fine_tuning.jobs.cancel(job.id).status == "cancelled"
    pid = trainer_pid(server.folder, job.id)
    wait_for(lambda: not Path(f"/proc/{pid}").exists())


# --- what cannot work is said early ---------------------------------------------------------------


def refused(client: Any, base: Path | str, **lora: Any) -> str:
    """Why the job was not even created."""
    with pytest.raises(openai.BadRequestError) as caught:
        start(client, base, **lora)
    assert isinstance(caught.value.body, dict)
    return str(caught.value.body["message"])


def test_a_base_without_a_chat_template_is_refused(client: Any, tmp_path: Path) -> None:
    base = tiny_language_model.make(tmp_path / "bare", template=None)
    assert "has no chat template" in refused(client, base)


def test_a_base_that_is_not_here_is_refused_offline(client: Any) -> None:
    assert "HF_HUB_OFFLINE forbids to download it" in refused(client, "nobody/such-a-model")


def test_modules_that_do_not_exist_are_refused(client: Any, base: Path) -> None:
    assert "no target module 'wheel'" in refused(client, base, target_modules=["q_proj", "wheel"])


def test_what_mlx_cannot_follow_is_refused(client: Any, base: Path) -> None:
    assert "does not quantise it" in refused(client, base, quantise="4bit")
    assert "modules_to_save cannot be used" in refused(client, base, modules_to_save=["embed_tokens"])
