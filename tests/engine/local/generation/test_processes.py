"""The life of generation processes: started when asked for, gone when nobody needs them, never orphans."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any

import openai
import pytest
from local_server import training_file, wait_for
from real_command import understudy

from .conftest import Served, alive

HELLO = [{"role": "user", "content": "Hello"}]


def ask(client: Any, model: str, **settings: Any) -> Any:
    return client.chat.completions.create(model=model, messages=HELLO, **settings)


def cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def works_no_more(pid: int) -> bool:
    """Whether the process used no CPU for a while."""
    before, until = cpu_ticks(pid), monotonic() + 0.3
    wait_for(lambda: monotonic() > until)
    return cpu_ticks(pid) == before


@pytest.mark.skipif(not Path("/proc").exists(), reason="needs /proc to see a process at work")
@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_goes_away_stops_its_reply(served: Served, stream: bool) -> None:
    """A reply that is given up costs a small part of the whole one."""
    with served.server.client() as client:
        ask(client, served.tuned, max_tokens=1)
        (pid,) = served.hosts()
        began = cpu_ticks(pid)
        ask(client, served.tuned, max_tokens=500, seed=2, temperature=0.1)
        whole = cpu_ticks(pid) - began
        began = cpu_ticks(pid)
        if stream:
            chunks = ask(client, served.tuned, max_tokens=500, seed=2, temperature=0.1, stream=True)
            next(chunk for chunk in chunks if chunk.choices[0].delta.content)
            chunks.close()
        else:
            with pytest.raises(openai.APITimeoutError):
                ask(client, served.tuned, max_tokens=500, seed=2, temperature=0.1, timeout=0.2)
        wait_for(lambda: works_no_more(pid))
        assert cpu_ticks(pid) - began < whole / 2


def test_a_killed_process_is_one_sentence_and_starts_anew(served: Served) -> None:
    with served.server.client() as client:
        chunks = ask(client, served.tuned, max_tokens=500, temperature=0.1, seed=2, stream=True)
        next(chunk for chunk in chunks if chunk.choices[0].delta.content)
        (pid,) = served.hosts()
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(openai.APIError, match=r"was killed \(SIGKILL\).*starts it anew") as failure:
            list(chunks)
        assert failure.value.code == "model_process_ended"
        assert ask(client, served.tuned, max_tokens=2).usage.completion_tokens <= 2
        assert pid not in served.hosts()


def test_nobody_left_no_process(serve: Callable[[], Served], monkeypatch: pytest.MonkeyPatch) -> None:
    """One given up while it is loaded; one that is not asked for long enough; one whose server is killed."""
    monkeypatch.setenv("UNDERSTUDY_LOCAL_UNLOAD_MINUTES", "0.001")
    served = serve()
    with served.server.client() as client:
        waiting = ask(client, served.base, stream=True, max_tokens=2)
        assert next(waiting).choices[0].delta.role == "assistant"
        (loading,) = served.hosts()
        waiting.close()
        wait_for(lambda: not alive(loading))
        texts = [
            chunk.choices[0].delta.content for chunk in ask(client, served.base, stream=True, max_tokens=2)
        ]
        assert texts.count("") > 1, "nothing was said while the model was loaded"
        wait_for(lambda: not served.hosts())

        failures: list[Exception] = []
        lost = threading.Thread(target=_lose, args=(client, served.base, failures))
        lost.start()
        wait_for(lambda: served.hosts())
        (orphan,) = served.hosts()
        served.server.kill()
        wait_for(lambda: not alive(orphan))
        lost.join()
        assert isinstance(failures[0], openai.APIConnectionError)


def _lose(client: Any, model: str, failures: list[Exception]) -> None:
    try:
        ask(client, model, max_tokens=900)
    except openai.OpenAIError as error:
        failures.append(error)


def test_what_a_model_needs_stands_in_its_files(extra: None, tiny_base: Path, tmp_path: Path) -> None:
    """As whole floats, which a CPU computes with; nothing is loaded."""
    import torch

    from engine.local.generation.torch_backend import TorchBackend

    if torch.cuda.is_available() or torch.backends.mps.is_available():
        pytest.skip("here models are loaded as they are on disk")
    header = json.dumps({"w": {"dtype": "BF16", "shape": [1 << 20, 1 << 20], "data_offsets": [0, 1 << 41]}})
    (tmp_path / "config.json").write_bytes((tiny_base / "config.json").read_bytes())
    (tmp_path / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header.encode())
    backend = TorchBackend(False)
    room = backend.room(tmp_path)
    assert room.needed > room.free > 0
    assert 4 << 40 < room.needed < 5 << 40
    small = backend.room(tiny_base)
    assert small.needed < 1 << 30


def test_models_make_room_for_others(
    serve: Callable[[], Served], tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one unused for longest goes where memory would not suffice, but never one in use.

    All idle ones go before a training starts.
    """
    holder = tmp_path / "holder"
    patched = tmp_path / "patched"
    patched.mkdir()
    (patched / "sitecustomize.py").write_text(_SCARCE.format(holder=str(holder)))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(patched), os.environ.get("PYTHONPATH", "")]))
    served = serve()
    twin = tmp_path / "twin"
    twin.symlink_to(tiny_base)
    with served.server.client() as client:
        ask(client, served.checkpoint, max_tokens=1)
        ask(client, served.tuned, max_tokens=1)
        client.models.delete(served.tuned)
        for model in (served.tuned, served.checkpoint):
            with pytest.raises(openai.NotFoundError):
                ask(client, model, max_tokens=1)
        (first,) = served.hosts()
        holder.write_text(str(first))
        using = ask(client, served.other, max_tokens=900, temperature=0.1, seed=2, stream=True)
        next(chunk for chunk in using if chunk.choices[0].delta.content)
        with pytest.raises(openai.InternalServerError, match=r"needs about .* and 0\.0 GB are free") as full:
            ask(client, str(twin), max_tokens=1)
        assert (full.value.status_code, full.value.code) == (503, "not_enough_memory")
        using.close()
        ask(client, str(twin), max_tokens=1)
        assert not alive(first)
        (second,) = served.hosts()
        file = client.files.create(file=("f.jsonl", training_file(12)), purpose="fine-tune")
        job = client.fine_tuning.jobs.create(model=str(tiny_base), training_file=file.id)
        wait_for(lambda: not alive(second))
        client.fine_tuning.jobs.cancel(job.id)


# Memory is scarce as long as the process named in a file lives.
_SCARCE = """
import os, pathlib, sys

def scarce():
    import psutil
    try:
        pid = int(pathlib.Path({holder!r}).read_text())
    except FileNotFoundError:
        return known()
    return known()._replace(available=0) if psutil.pid_exists(pid) else known()

if "engine.local.generation" in " ".join(sys.orig_argv):
    import psutil
    known, psutil.virtual_memory = psutil.virtual_memory, scarce
"""


def test_the_command_chats_with_a_model_in_the_hubs_cache(
    served: Served, tiny_base: Path, tmp_path: Path
) -> None:
    cached = tmp_path / "hub" / "models--tests--tiny"
    (cached / "snapshots").mkdir(parents=True)
    (cached / "snapshots" / "abc").symlink_to(tiny_base)
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text("abc")
    studio = tmp_path / "studio.db"
    with served.server.client() as client:
        expected = ask(client, served.base, temperature=0, max_tokens=512).choices[0].message.content
    try:
        hub = {"HF_HUB_CACHE": str(tmp_path / "hub")}
        listed = understudy("models", "--json", studio=studio, **hub)
        assert "tests/tiny" in [json.loads(line)["id"] for line in listed.stdout.splitlines()]
        chat = understudy(
            "chat", "tests/tiny", "-p", "Hello", "--system", "", "--temperature", "0", "--json",
            studio=studio, **hub,
        )  # fmt: skip
        assert json.loads(chat.stdout)["text"] == expected
    finally:
        understudy("local", "stop", studio=studio)
