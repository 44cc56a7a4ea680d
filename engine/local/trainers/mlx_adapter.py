"""Adapters in mlx-lm's own format: low-rank layers put into a base model, saved, and put into it again.

A folder holds `adapters.safetensors` and `adapter_config.json`, as `mlx_lm.generate --adapter-path` reads
them, and our `understudy.json`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import msgspec
from mlx.utils import tree_flatten
from mlx_lm.models.switch_layers import QuantizedSwitchLinear, SwitchLinear
from mlx_lm.tuner.utils import linear_to_lora_layers
from mlx_lm.utils import load_model

from engine.errors import StudioError
from engine.local import disk
from engine.local.trainers import Adapter, LoraSettings, memory

_LINEAR = (nn.Linear, nn.QuantizedLinear, SwitchLinear, QuantizedSwitchLinear)


def load_base(path: Path) -> nn.Module:
    """The base model in `path`, frozen."""
    try:
        model, _ = load_model(path)
    except (ValueError, FileNotFoundError, KeyError, TypeError) as error:
        raise StudioError(
            f"mlx-lm cannot load this model ({type(error).__name__}).",
            "Its kind may be newer than the installed mlx-lm; mlx-community has models made for it.",
        ) from error
    model.freeze()
    return model


def add_layers(model: nn.Module, settings: LoraSettings) -> dict[str, Any]:
    """Put fresh low-rank layers beside the modules asked for; `adapter_config.json` for them.

    mlx-lm's scale is PEFT's alpha divided by the rank.
    """
    parameters = {
        "rank": settings.rank,
        "scale": float(settings.alpha) / settings.rank,
        "dropout": settings.dropout,
        "keys": _targets(model, settings.target_modules),
    }
    linear_to_lora_layers(model, len(model.layers), parameters)
    return {"fine_tune_type": "lora", "num_layers": len(model.layers), "lora_parameters": parameters}


def write(folder: Path, model: nn.Module, config: dict[str, Any], about: Adapter) -> None:
    """Put the adapter as it is now into `folder`; understudy.json, which makes it one, comes last."""
    save(folder / "adapters.safetensors", dict(tree_flatten(model.trainable_parameters())), {"format": "mlx"})
    disk.write(folder / "adapter_config.json", msgspec.json.format(msgspec.json.encode(config), indent=2))
    disk.write_record(folder / "understudy.json", about)


def save(path: Path, arrays: dict[str, mx.array], metadata: dict[str, str]) -> None:
    """Put the arrays in place of `path`: after a crash there is the old file or the new, never half."""
    temporary = path.with_name(f".{os.getpid()}.{path.name}")  # mlx wants the ending that it has
    try:
        mx.save_safetensors(str(temporary), arrays, metadata)
    except RuntimeError as error:
        raise StudioError("The adapter cannot be saved.", "Is the disk full?") from error
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(path)


def _targets(model: nn.Module, asked: str | tuple[str, ...]) -> list[str]:
    """Full names of the modules that get a layer: those of these names, or all but the output layer."""
    wanted = (asked,) if isinstance(asked, str) else asked
    inside = {id(module) for layer in model.layers for module in layer.modules()}
    return sorted(
        name
        for name, module in model.named_modules()
        if isinstance(module, _LINEAR) and id(module) in inside
        if wanted == ("all-linear",) or name.rpartition(".")[2] in wanted
    )


def free_memory() -> int:
    """Bytes: what the system has, and on Apple silicon no more than the GPU may take of it."""
    free = memory.free_memory()
    most = mx.device_info().get("max_recommended_working_set_size")
    return min(free, int(most) - mx.get_active_memory()) if most else free
