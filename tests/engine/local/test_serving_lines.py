"""The lines that serve an exported adapter, where the adapter or its base is not the usual one."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from engine.local.serving_lines import Serving, adapter

FOLDER = Path("/models/of mine")
CONFIG = {"r": 24}


def ways(config: dict[str, object], here: Path | None = FOLDER, template: bool = False) -> dict[str, Serving]:
    made = adapter(Path("/out"), "wren-1a2b3c4d", config, "owner/name", here, template)
    return {way.program: way for way in made}


def test_a_base_without_thoughts_needs_no_template_and_goes_to_ollama_too() -> None:
    made = ways(CONFIG)
    assert "--max-lora-rank 32" in made["vLLM"].lines[0] and "template" not in made["vLLM"].lines[0]
    assert made["llama.cpp"].lines[1].endswith("'/models/of mine' --outfile /out/base.gguf")
    assert made["Ollama"].lines[0] == "ollama create wren-1a2b3c4d -f /out/Modelfile"


@pytest.mark.parametrize("folder", ["/out=1", '/out, the "second"', "/it's=out"])
def test_an_adapter_in_a_folder_that_no_name_can_stand_before_is_json_to_vllm(folder: str) -> None:
    way, *_ = adapter(Path(folder), "wren-1a2b3c4d", CONFIG, "owner/name", FOLDER, False)
    words = shlex.split(way.lines[0])
    module = words[words.index("--lora-modules") + 1]
    assert json.loads(module) == {"name": "wren-1a2b3c4d", "path": folder}


def test_a_base_that_is_gone_is_downloaded_first() -> None:
    lines = ways(CONFIG, here=None)["llama.cpp"].lines
    assert lines[1] == "hf download owner/name --local-dir /out/base"
    assert "convert_hf_to_gguf.py /out/base " in lines[2]


def test_an_adapter_that_a_program_cannot_take_is_to_be_merged() -> None:
    assert all(not way.lines and "--merged" in way.note for way in ways({"modules_to_save": ["a"]}).values())
    large = ways({"r": 1024})
    assert not large["vLLM"].lines and "--merged" in large["vLLM"].note
    assert large["llama.cpp"].lines
