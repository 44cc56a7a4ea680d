"""Taking a trained model elsewhere: the adapter as it is, and merged into its base, read by the libraries."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import seasons
from local_server import Server
from real_command import understudy

from engine import bases


def export(server: Server, model: str, target: Path, *options: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "engine.local.export", str(server.folder), model, str(target), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def likelihoods(folder: Path, adapter: Path | None = None) -> Any:
    """What comes after a question, by the model in `folder`."""
    import peft
    import torch
    import transformers

    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    if adapter:
        model = peft.PeftModel.from_pretrained(model, str(adapter))
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    talk = [{"role": "user", "content": seasons.question(3)[0]}]
    text = tokenizer.apply_chat_template(
        talk, tokenize=False, add_generation_prompt=True, enable_thinking=False
    )
    with torch.no_grad():
        return model.eval()(**tokenizer(text, return_tensors="pt")).logits[0, -1]


@pytest.fixture(scope="module")
def adapter(
    server: Server, job: Any, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    target = tmp_path_factory.mktemp("export") / "adapter"
    return target, export(server, job.fine_tuned_model, target)


@pytest.fixture(scope="module")
def merged(server: Server, job: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    target = tmp_path_factory.mktemp("export") / "merged"
    return target, export(server, job.id, target, "--merged")


def test_adapter_and_merged_model_say_the_same_and_not_what_the_base_says(
    tiny: Path, adapter: tuple[Path, dict[str, Any]], merged: tuple[Path, dict[str, Any]]
) -> None:
    import torch

    base, with_adapter, whole = likelihoods(tiny), likelihoods(tiny, adapter[0]), likelihoods(merged[0])
    assert torch.allclose(with_adapter, whole, atol=1e-3)
    assert (with_adapter - base).abs().max() > 0.5


def test_the_adapter_is_in_peft_format_private_and_comes_with_the_lines_that_serve_it(
    tiny: Path, adapter: tuple[Path, dict[str, Any]], job: Any
) -> None:
    folder, said = adapter
    names = {file.name for file in folder.iterdir()}
    assert names == {"adapter_config.json", "adapter_model.safetensors", "chat_template.jinja"}
    assert folder.stat().st_mode & 0o777 == 0o700
    assert all(file.stat().st_mode & 0o077 == 0 for file in folder.iterdir())
    assert said["bytes"] == sum(file.stat().st_size for file in folder.iterdir())
    lines = {way["program"]: way for way in said["serving"]}
    name = f"seasons-{job.id.removeprefix('ftjob-')[:8]}"
    assert lines["vLLM"]["lines"] == [
        f"vllm serve {tiny} --host 127.0.0.1 --port 8000 --enable-lora --max-lora-rank 16 "
        f"--lora-modules {name}={folder} --chat-template {folder}/chat_template.jinja",
        f"understudy chat {name} --provider vllm",
    ]
    assert f"convert_lora_to_gguf.py {folder} --base {tiny}" in lines["llama.cpp"]["lines"][2]
    assert lines["llama.cpp"]["lines"][3].endswith(f"--chat-template-file {folder}/chat_template.jinja")
    for program in ("Ollama", "LM Studio"):
        assert not lines[program]["lines"] and "--merged" in lines[program]["note"]


def test_what_is_exported_is_asked_without_thoughts_as_it_was_trained(
    tiny: Path, adapter: tuple[Path, dict[str, Any]], merged: tuple[Path, dict[str, Any]]
) -> None:
    import transformers

    talk = [{"role": "user", "content": "How is May in Oslo?"}]
    base = transformers.AutoTokenizer.from_pretrained(tiny)
    whole = transformers.AutoTokenizer.from_pretrained(merged[0])

    def prompt(tokenizer: Any, **options: Any) -> Any:
        return tokenizer.apply_chat_template(talk, tokenize=False, add_generation_prompt=True, **options)

    trained = prompt(base, enable_thinking=False)
    assert prompt(whole) == trained != prompt(base)
    template = (adapter[0] / "chat_template.jinja").read_text()
    assert prompt(base, chat_template=template) == trained
    # llama.cpp's converter looks here before it looks at the file beside.
    assert "chat_template" not in json.loads((merged[0] / "tokenizer_config.json").read_text())


def test_the_merged_model_is_whole(tiny: Path, merged: tuple[Path, dict[str, Any]]) -> None:
    folder, said = merged
    assert said["merged"] and bases.is_chat_model(folder) and bases.weight_files(folder)
    assert (folder / "tokenizer.json").read_bytes() == (tiny / "tokenizer.json").read_bytes()
    assert not list(folder.glob("adapter*"))
    assert bases.read_json(folder / "config.json")["hidden_size"] == 64
    lines = {way["program"]: way["lines"] for way in said["serving"]}
    assert lines["vLLM"][0] == (
        f"vllm serve {folder} --host 127.0.0.1 --port 8000 --served-model-name {said['name']}"
    )
    assert lines["llama.cpp"][1].startswith(f"python llama.cpp/convert_hf_to_gguf.py {folder} ")
    assert (folder / "Modelfile").read_text() == "FROM ./model.gguf\n"


def test_a_checkpoint_can_be_exported_too(server: Server, job: Any, tmp_path: Path) -> None:
    row = server.client().fine_tuning.jobs.checkpoints.list(job.id).data[-1]
    said = export(server, row.fine_tuned_model_checkpoint, tmp_path / "early")
    assert (tmp_path / "early" / "adapter_model.safetensors").is_file() and said["base"] == job.model


def test_what_cannot_be_is_refused_and_nothing_is_left(server: Server, job: Any, tmp_path: Path) -> None:
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine.txt").write_text("mine")
    assert "exists already" in export(server, job.id, full)["error"]
    assert "There is no model nobody" in export(server, "nobody", tmp_path / "new")["error"]
    assert "cannot be written" in export(server, job.id, full / "mine.txt" / "new")["error"]
    assert [path.name for path in tmp_path.rglob("*")] == ["full", "mine.txt"]


def test_from_the_command_line(server: Server, job: Any, tmp_path: Path) -> None:
    (tmp_path / "studio-local").symlink_to(server.folder)
    studio = tmp_path / "studio.db"
    done = understudy("models", "export", job.fine_tuned_model, "--to", str(tmp_path / "out"), studio=studio)
    assert done.returncode == 0, done.stderr
    assert "vllm serve" in done.stdout and "may repeat what it was trained on" in done.stderr
    again = understudy("models", "export", job.fine_tuned_model, "--to", str(tmp_path / "out"), studio=studio)
    assert again.returncode == 2 and "exists already" in again.stderr and "Traceback" not in again.stderr
    kinds = {
        json.loads(line)["kind"]
        for line in understudy("local", "usage", "--json", studio=studio).stdout.splitlines()
    }
    assert {"job", "model", "checkpoint", "upload"} <= kinds


def test_how_long_it_took_is_kept_for_the_next_plan(server: Server, job: Any) -> None:
    from engine.providers.base_models import base_model

    assert base_model(job.model, server.folder).measured.startswith("1,000 examples took ")
