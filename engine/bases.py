"""The Hugging Face chat models that are on this disk: in the hub's cache and in `[local] models`.

Reads only folders and small JSON files; the hub's own library is loaded nowhere here. The local provider and
the rooms that speak to it both go by this.
"""

from __future__ import annotations

import importlib.util
import os
import re
from pathlib import Path
from typing import Any

import msgspec

from engine.errors import StudioError

_LIBRARIES = {
    "lora": ("torch", "transformers", "peft", "trl", "accelerate", "datasets"),
    "mlx": ("mlx", "mlx_lm"),
}
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


def named(model: str) -> bool:
    """Whether the id names a Hugging Face model: `owner/name`, or an absolute folder with a config.json."""
    if model.startswith("/"):
        return _is_file(Path(model) / "config.json")
    return _HUB_ID.fullmatch(model) is not None and ".." not in model


def offline() -> bool:
    """Whether the person has forbidden the hub's library to use the network."""
    given = (os.environ.get(name, "") for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"))
    return any(value.upper() in ("1", "ON", "YES", "TRUE") for value in given)


def hub_cache() -> Path:
    """Where the hub's library keeps its downloads, by its own rules."""
    if given := os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE"):
        return Path(given).expanduser()
    home = os.environ.get("HF_HOME")
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return (Path(home) if home else Path(cache) / "huggingface").expanduser() / "hub"


def folder(model: str) -> Path | None:
    """The model's folder on this disk, or None: it is not there, or only a part of it was downloaded."""
    if model.startswith("/"):
        return Path(model)
    cached = hub_cache() / f"models--{model.replace('/', '--')}"
    try:
        commit = (cached / "refs" / "main").read_text().strip()
    except (OSError, UnicodeDecodeError):
        return None
    found = cached / "snapshots" / commit
    return found if _whole(found) else None


def check(model: str, trainer: str) -> None:
    """Raise StudioError where `trainer` cannot train that model here, as far as a glance tells."""
    missing = [name for name in _LIBRARIES[trainer] if importlib.util.find_spec(name) is None]
    if missing:
        raise StudioError(
            f"Training '{model}' needs libraries that are not installed ({', '.join(missing)}).",
            f"Install them with: pip install 'understudy[{trainer}]'",
        )
    path = folder(model)
    if path is None:
        if offline():
            raise StudioError(
                f"The model '{model}' is not on this machine, and HF_HUB_OFFLINE forbids to download it.",
                f"Unset it, or run `hf download {model}` where there is a network.",
            )
    elif not has_template(path):
        raise no_template(path)
    elif not weight_files(path):
        raise StudioError(
            f"There are no weights in {path}.", "Choose a model that is kept as safetensors files."
        )


def no_template(path: Path) -> StudioError:
    return StudioError(
        f"The model in {path} has no chat template, so it is no chat model.",
        "Choose its instruct or chat variant.",
    )


def on_disk() -> list[str]:
    """The ids of all chat models here; none where the libraries that train and run them are absent."""
    if not any(importlib.util.find_spec(library) for library in ("peft", "mlx_lm")):
        return []
    from engine import config

    cached = sorted(hub_cache().glob("models--*--*"))
    ids = [path.name.removeprefix("models--").replace("--", "/") for path in cached]
    found = [model for model in ids if (path := folder(model)) and is_chat_model(path)]
    mine = config.load().settings.local.models
    if mine is not None:
        folders = [path.parent for path in sorted(mine.glob("*/config.json"))]
        found += [str(path) for path in folders if is_chat_model(path)]
    return found


def is_chat_model(path: Path) -> bool:
    """Whether it writes text and has a chat template."""
    kinds = read_json(path / "config.json").get("architectures")
    return (
        isinstance(kinds, list) and any("ForCausalLM" in str(kind) for kind in kinds) and has_template(path)
    )


def has_template(path: Path) -> bool:
    if _is_file(path / "chat_template.jinja") or _is_file(path / "chat_template.json"):
        return True
    return bool(read_json(path / "tokenizer_config.json").get("chat_template"))


def chat_template(path: Path) -> str | None:
    """The text of the template, the one called default where a model brings several."""
    try:
        return (path / "chat_template.jinja").read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        pass
    for file in ("chat_template.json", "tokenizer_config.json"):
        found = read_json(path / file).get("chat_template")
        if isinstance(found, list):
            named = {one.get("name"): one.get("template") for one in found if isinstance(one, dict)}
            found = named.get("default")
        if isinstance(found, str):
            return found
    return None


def weight_files(path: Path) -> list[Path]:
    """The model's safetensors files; some models bring the same weights once more under another name."""
    shards = _shards(path)
    one = path / "model.safetensors"
    if shards or _is_file(one):
        return sorted(path / name for name in shards) or [one]
    return sorted(path.glob("*.safetensors"))


def read_json(path: Path) -> dict[str, Any]:
    """The object in the file; empty where there is none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except (OSError, ValueError, RecursionError):  # a msgspec.DecodeError is a ValueError
        return {}


def _whole(path: Path) -> bool:
    """Whether a download in the hub's cache ended: all weights that the index names are there."""
    weights = [path / name for name in _shards(path)] or [path / "model.safetensors"]
    return _is_file(path / "config.json") and all(_is_file(file) for file in weights)


def _shards(path: Path) -> set[str]:
    """The names of the weight files in the model's index; none where it has no index, or a damaged one."""
    named = read_json(path / "model.safetensors.index.json").get("weight_map")
    return {name for name in named.values() if isinstance(name, str)} if isinstance(named, dict) else set()


def _is_file(path: Path) -> bool:
    """Whether it is a file that can be reached; `Path.is_file` itself raises where a folder is closed."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False
