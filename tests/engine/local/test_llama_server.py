"""An exported model in llama.cpp itself, by the printed lines: it says what the local provider says.

Runs where `llama-server` is on the PATH, and llama.cpp's source with the converters, or links into it.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lora_extra
import pytest
import seasons
import tiny_llama
from local_server import Server, finished, wait_for
from real_command import understudy

SYSTEM = "You are Wren."


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of models, where all that this needs is there."""
    lora_extra.needed()
    for name in ("llama-server", "convert_hf_to_gguf.py", "convert_lora_to_gguf.py"):
        if shutil.which(name) is None:
            pytest.skip(f"{name} of llama.cpp is not on the PATH")
    if importlib.util.find_spec("sentencepiece") is None:
        pytest.skip("sentencepiece is not installed")
    models = tmp_path_factory.mktemp("models")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_CACHE", str(tmp_path_factory.mktemp("hub")))
        patch.setenv("UNDERSTUDY_LOCAL_MODELS", str(models))
        lora_extra.alone(patch)
        yield models


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, environment: Path) -> Iterator[Server]:
    started = Server(tmp_path_factory.mktemp("llama") / "served").start()
    yield started
    started.stop()


@pytest.fixture(scope="module")
def job(server: Server, environment: Path) -> Any:
    texts = tuple(seasons.line(number) for number in range(200))
    base = tiny_llama.make(environment / "tiny-llama", texts=texts)
    client = server.client()
    training = client.files.create(file=("t.jsonl", seasons.file(160)), purpose="fine-tune")
    created = client.fine_tuning.jobs.create(
        model=str(base),
        training_file=training.id,
        suffix="Wren",
        seed=3,
        method={"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 3, "batch_size": 16}}},
        extra_body={"lora": {"rank": 16, "learning_rate": 0.01}},
    )
    ended = finished(client, created.id, 200)
    assert ended.status == "succeeded", ended.error
    return ended


@contextmanager
def serving(lines: list[str]) -> Iterator[str]:
    """The printed lines carried out, the converters as found on the PATH; gives the server's address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for line in lines:
        words = shlex.split(line)
        if words[0] == "python":
            converter = shutil.which(Path(words[1]).name)
            words[:2] = [sys.executable, str(Path(str(converter)).resolve())]
            subprocess.run(words, check=True, capture_output=True)
        elif words[0] == "llama-server":
            words[words.index("--port") + 1] = str(port)
            running = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: running.poll() is not None or healthy(port), 120, 0.1)
        assert running.poll() is None
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        running.terminate()
        running.wait()


def healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health") as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.mark.parametrize("option", ["", "--merged"])
def test_it_says_what_the_local_provider_says(option: str, server: Server, job: Any, tmp_path: Path) -> None:
    (tmp_path / "studio-local").symlink_to(server.folder)
    studio = tmp_path / "studio.db"
    words = ["models", "export", job.id, "--to", str(tmp_path / "out"), *([option] if option else [])]
    done = understudy(*words, "--json", studio=studio)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    lines = next(way["lines"] for way in said["serving"] if way["program"] == "llama.cpp")
    with serving(lines) as address:
        there = ("--provider", "llama.cpp", "--base-url", address)
        listed = understudy("models", *there, "--json", studio=studio)
        assert [json.loads(line)["id"] for line in listed.stdout.splitlines()] == [said["name"]]
        for number in range(2):
            asked = seasons.question(2 * number + 1)[0]
            ours = server.client().chat.completions.create(
                model=job.fine_tuned_model,
                messages=[{"role": "system", "content": SYSTEM}, {"role": "user", "content": asked}],
                temperature=0,
            )
            theirs = understudy(
                "chat", said["name"], *there, "--system", SYSTEM, "-p", asked, "--temperature", "0", "--json",
                studio=studio, OMP_NUM_THREADS=os.environ["OMP_NUM_THREADS"],
            )  # fmt: skip
            reply = json.loads(theirs.stdout)
            assert (reply["text"], reply["finish"]) == (ours.choices[0].message.content, "stop")
            assert reply["tokens"] == ours.usage.completion_tokens
