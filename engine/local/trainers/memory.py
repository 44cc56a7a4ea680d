"""How much memory a training takes, estimated before anything is loaded, and how to make it fit.

The estimate counts the base's weights, the adapter with its gradients and the optimizer's two moments,
the activations of one batch, and what the libraries themselves take. It errs on the high side by design.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from engine.errors import StudioError

_GB = 1_000_000_000
# torch, transformers, peft and trl; on a GPU its context and cuBLAS' work space.
LIBRARIES = {"cpu": 0.8 * _GB, "cuda": 0.9 * _GB}
# A trained parameter: weight, gradient and AdamW's two moments, in 32 bits.
_TRAINED = 16
# Bits of a base parameter in 4 bits, its scales included.
_QUANTISED = 0.56


class Need(msgspec.Struct, frozen=True):
    """What training needs. Bytes but for `parameters` (the base's) and `trained`.

    token: what one token of a batch leaves behind for the backward pass in all layers; one_layer: in one,
    which is what remains of it where activations are computed again, beside `boundary` for each layer.
    """

    device: str
    parameters: int
    embedding: int
    trained: int
    width: int
    token: int
    one_layer: int
    boundary: int
    quantised: bool

    def bytes(self, batch: int, length: int, again: bool) -> float:
        """batch: examples at once. length: tokens of the longest. again: activations are made twice."""
        small = self.parameters - self.embedding if self.quantised else 0
        base = (self.parameters - small) * self.width + small * _QUANTISED
        kept = self.one_layer + self.boundary if again else self.token
        return LIBRARIES[self.device] + base + self.trained * _TRAINED + batch * length * kept


class Way(msgspec.Struct, frozen=True):
    """How a batch is taken. at_once: examples in one pass, a divisor of the batch. bytes: the estimate."""

    at_once: int
    again: bool
    bytes: float


def need(
    config: dict[str, Any],
    parameters: int,
    embedding: int,
    adapter: int,
    whole: int,
    *,
    device: str,
    width: int,
    quantised: bool,
) -> Need:
    """config: the model's config.json. adapter, whole: trained parameters. width: bytes of a base one."""
    text = config.get("text_config", config)
    hidden = int(text.get("hidden_size") or text.get("n_embd") or 1024)
    layers = int(text.get("num_hidden_layers") or text.get("n_layer") or 24)
    inner = int(text.get("intermediate_size") or text.get("n_inner") or 4 * hidden)
    # What norms, projections, attention and the gated inner layer keep for the backward pass, and the
    # adapters' own copies of it, which have 32 bits beside a base of 16. Measured, and rounded up.
    layer = (30 * hidden + 7 * inner) * (4 if width == 4 else 3)
    return Need(
        device=device,
        parameters=parameters,
        embedding=embedding,
        trained=adapter + whole,
        width=width,
        token=layers * layer,
        one_layer=layer,
        boundary=layers * hidden * width,
        quantised=quantised,
    )


def way(need: Need, free: float, batch: int, length: int) -> Way:
    """The fastest way that fits into `free` bytes. Raises StudioError where none does."""
    sizes = [size for size in range(batch, 0, -1) if batch % size == 0]
    for size in sizes:
        for again in (False, True):
            taken = need.bytes(size, length, again)
            if taken <= free:
                return Way(size, again, taken)
    least = need.bytes(1, length, True)
    where = "GPU memory" if need.device == "cuda" else "memory"
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
