"""What memory is free here, and how a training is made to fit into it; `engine.lora_memory` estimates."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec

from engine.errors import StudioError
from engine.local.trainers import LoraSettings, bases, weights
from engine.lora_memory import Need, Shape
from engine.lora_memory import need as need

_GB = 1_000_000_000


class Way(msgspec.Struct, frozen=True):
    """How a batch is taken. at_once: examples in one pass, a divisor of the batch. bytes: the estimate."""

    at_once: int
    again: bool
    bytes: float


class Sizes(msgspec.Struct, frozen=True):
    """A base model as its files have it. trained: parameters that the settings train."""

    shape: Shape
    trained: int


def sizes(base: Path, lora: LoraSettings) -> Sizes:
    """From the headers of the weights and config.json, where a size that is not said is guessed.

    Raises StudioError where the weights are damaged, SettingError where the settings name what they have not.
    """
    config: dict[str, Any] = bases.read_json(base / "config.json")
    text: dict[str, Any] = config.get("text_config") or config
    found = weights.tensors(base)
    hidden = int(text.get("hidden_size") or text.get("n_embd") or 1024)
    adapter = sum(lora.rank * sum(tensor.shape) for tensor in weights.adapted(found, lora))
    return Sizes(
        Shape(
            parameters=sum(tensor.size for tensor in found.values()),
            layers=int(text.get("num_hidden_layers") or text.get("n_layer") or 24),
            hidden=hidden,
            inner=int(text.get("intermediate_size") or text.get("n_inner") or 4 * hidden),
            vocabulary=int(text.get("vocab_size") or 150_000),
            words=weights.words(found),
        ),
        adapter + weights.trained_whole(found, lora),
    )


def way(
    need: Need, free: float, batch: int, length: int, where: Literal["GPU memory", "memory"] = "memory"
) -> Way:
    """The fastest way that fits into `free` bytes. Raises StudioError where none does."""
    sizes = [size for size in range(batch, 0, -1) if batch % size == 0]
    for size in sizes:
        for again in (False, True):
            taken = need.bytes(size, length, again)
            if taken <= free:
                return Way(size, again, taken)
    least = need.bytes(1, length, True)
    raise StudioError(
        f"This training needs about {least / _GB:,.1f} GB of {where} and {free / _GB:,.1f} GB are free.",
        "Choose a smaller base model, or close what else uses memory."
        if length <= 512
        else f"Choose a smaller base model, or a max_length below {length:,}.",
    )


def free_memory() -> int:
    """Bytes that a process here may still take: the machine's, or what its control group allows."""
    import psutil

    free = int(psutil.virtual_memory().available)
    for limit, used in (
        ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
        ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ):
        try:
            left = int(Path(limit).read_text()) - int(Path(used).read_text())
        except (OSError, ValueError):
            continue
        # What the group's file cache holds is given back on demand.
        free = min(free, max(left, 0) + _cached(Path(limit).parent / "memory.stat"))
    return free


def _cached(stat: Path) -> int:
    try:
        rows = dict(line.split() for line in stat.read_text().splitlines())
    except (OSError, ValueError):
        return 0
    return int(rows.get("inactive_file", 0)) + int(rows.get("active_file", 0))
