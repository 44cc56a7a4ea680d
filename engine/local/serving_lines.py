"""The command lines with which other programs serve an exported model.

vLLM's, llama.cpp's and mlx-lm's were run as printed; Ollama's and LM Studio's follow their own pages.
Each names its port, since defaults move, and listens on this machine alone, since vLLM's default does not.
"""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import msgspec

_SOURCE = "git clone --depth 1 https://github.com/ggml-org/llama.cpp"
_CONVERTER = "Its converter runs where the extra [lora] and sentencepiece are installed."
_FIRST = "After llama.cpp's converter has made the .gguf that the Modelfile names."
_WHOLE = "It takes no adapter of this kind: export with --merged."
# The ranks that vLLM makes room for.
_VLLM_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)


class Serving(msgspec.Struct, frozen=True):
    """How a program serves what was exported. lines: of a shell; a note where there is none."""

    program: str
    lines: tuple[str, ...] = ()
    note: str = ""


def adapter(
    target: Path, name: str, config: dict[str, Any], base: str, here: Path | None, template: bool
) -> tuple[Serving, ...]:
    """For an adapter in `target`, config being PEFT's. base: the id of its model; here: the folder of that,
    where it is on this disk. template: whether a chat template goes with the adapter."""
    if config.get("modules_to_save"):
        return _whole("vLLM", "llama.cpp", "Ollama", "LM Studio")
    jinja = target / "chat_template.jinja"
    rank = config.get("r", 16)
    room = next((one for one in _VLLM_RANKS if one >= rank), None)
    vllm = _line(
        ("vllm", "serve", base, "--host", "127.0.0.1", "--port", 8000),
        ("--enable-lora", "--max-lora-rank", room, "--lora-modules", _module(name, target)),
        ("--chat-template", jinja) if template else (),
    )
    folder = here or target / "base"
    gguf, lora = target / "base.gguf", target / "adapter.gguf"
    llama = (
        _SOURCE,
        *(() if here else (_line(("hf", "download", base, "--local-dir", folder)),)),
        _line(("python", "llama.cpp/convert_hf_to_gguf.py", folder, "--outfile", gguf)),
        _line(
            ("python", "llama.cpp/convert_lora_to_gguf.py", target, "--base", folder),
            ("--outfile", lora),
        ),
        _line(
            ("llama-server", "-m", gguf, "--lora", lora, "--alias", name, "--port", 8080),
            ("--chat-template-file", jinja) if template else (),
        ),
    )
    return (
        Serving("vLLM", (vllm, _chat(name, "vllm"))) if room else Serving("vLLM", note=_WHOLE),
        Serving("llama.cpp", (*llama, _chat(name, "llama.cpp")), _CONVERTER),
        # It takes the template from the base, and no other in this language.
        Serving("Ollama", note=_WHOLE) if template else _ollama(target, name),
        Serving("LM Studio", note=_WHOLE),
    )


def mlx_adapter(target: Path, base: str) -> tuple[Serving, ...]:
    """For an adapter of mlx-lm in `target`."""
    serve = _line(
        ("mlx_lm.server", "--model", base, "--adapter-path", target, "--port", 8080),
        ("--chat-template-args", '{"enable_thinking": false}'),
    )
    chat = "understudy chat default_model --provider custom --base-url http://localhost:8080/v1"
    return (Serving("mlx-lm", (serve, chat)), *_whole("vLLM", "llama.cpp", "Ollama", "LM Studio"))


def merged(target: Path, name: str) -> tuple[Serving, ...]:
    """For the whole model in `target`."""
    gguf = target / "model.gguf"
    return (
        Serving(
            "vLLM",
            (
                _line(
                    ("vllm", "serve", target, "--host", "127.0.0.1", "--port", 8000),
                    ("--served-model-name", name),
                ),
                _chat(name, "vllm"),
            ),
        ),
        Serving(
            "llama.cpp",
            (
                _SOURCE,
                _line(
                    ("python", "llama.cpp/convert_hf_to_gguf.py", target),
                    ("--outfile", gguf, "--outtype", "q8_0"),
                ),
                _line(("llama-server", "-m", gguf, "--alias", name, "--port", 8080)),
                _chat(name, "llama.cpp"),
            ),
            _CONVERTER,
        ),
        _ollama(target, name),
        Serving(
            "LM Studio",
            (
                _line(("lms", "import", "--copy", "--user-repo", f"understudy/{name}", gguf)),
                "lms server start --port 1234",
                "understudy models --provider lmstudio",
            ),
            "After llama.cpp's converter has made model.gguf. The last line says what it calls the model.",
        ),
    )


def _module(name: str, target: Path) -> str:
    """As vLLM reads it: what has another `=`, or a comma, is JSON to it."""
    if any(mark in str(target) for mark in "=,"):
        return json.dumps({"name": name, "path": str(target)}, ensure_ascii=False)
    return f"{name}={target}"


def _ollama(target: Path, name: str) -> Serving:
    create = _line(("ollama", "create", name, "-f", target / "Modelfile"))
    return Serving("Ollama", (create, _chat(name, "ollama")), _FIRST)


def _whole(*programs: str) -> tuple[Serving, ...]:
    return tuple(Serving(program, note=_WHOLE) for program in programs)


def _chat(name: str, provider: str) -> str:
    return f"understudy chat {name} --provider {provider}"


def _line(*parts: tuple[object, ...]) -> str:
    return " ".join(shlex.quote(str(word)) for part in parts for word in part)
