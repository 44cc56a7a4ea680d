"""How `mlx` trains: chats to tokens, a look at the memory, the base with an adapter, then the loop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx_lm.tuner.trainer import grad_checkpoint
from mlx_lm.utils import maybe_set_recommended_wired_limit

from engine.local.trainers import (
    Adapter,
    Example,
    LoraSettings,
    Note,
    Progress,
    Settings,
    bases,
    memory,
    mlx_adapter,
    mlx_learning,
    prepared,
)
from engine.lora_memory import Need, mlx_need


def train(
    name: str,
    base: Path,
    examples: list[Example],
    validation: list[Example],
    settings: Settings,
    out: Path,
    resume: bool,
) -> Progress:
    """See Trainer.train; `base` is the folder of the base model `name`, `settings` are without "auto"."""
    first = not (resume and (out / mlx_learning.STATE).exists())
    ready = prepared.prepare(base, examples, validation, settings.lora.max_length)
    need = memory_needed(base, settings.lora, ready.longest)
    way = memory.way(need, mlx_adapter.free_memory(), int(settings.batch_size), ready.longest)
    if first:
        trained = memory.sizes(base, settings.lora).trained
        yield from ready.notes
        yield Note(
            f"Training {trained:,} parameters beside those of {name} with mlx on the {_device()}: "
            f"about {way.bytes / 1e9:.1f} GB of memory"
        )
        if way.again:
            yield Note("Memory is tight: activations are computed twice, which is slower")
    maybe_set_recommended_wired_limit()
    model = mlx_adapter.load_base(base)
    yield None
    mx.random.seed(settings.seed)
    config = {**mlx_adapter.add_layers(model, settings.lora), "model": str(base)}
    if way.again:
        grad_checkpoint(model.layers[0])
    about = Adapter(base=name, path=str(base), trainer="mlx")
    yield from mlx_learning.learn(
        model,
        ready.training,
        ready.validation,
        settings,
        out,
        resume,
        way.at_once,
        lambda folder: mlx_adapter.write(folder, model, config, about),
    )


def memory_needed(base: Path, lora: LoraSettings, longest: int) -> Need:
    """What the process takes. longest: tokens of the longest example."""
    config = bases.read_json(base / "config.json")
    text: dict[str, Any] = config.get("text_config") or config
    found = memory.sizes(base, lora)
    return mlx_need(
        found.shape,
        longest,
        stored=sum(path.stat().st_size for path in bases.weight_files(base)),
        trained=found.trained,
        heads=int(text.get("num_attention_heads") or 0),
        wide=4 if text.get("dtype", text.get("torch_dtype")) == "float32" else 3,
        dropout=bool(lora.dropout),
    )


def _device() -> str:
    return "GPU" if mx.default_device() == mx.gpu else "CPU"
