"""How much memory it takes at least to train a low-rank adapter, from the shape of the base model.

The sum of
- the libraries: half a GB;
- the base: its parameters, 4 bytes each on a processor, 2 on a graphics card or Apple silicon; in 4 bits
  0.55 bytes, its word vectors 2;
- the adapter: rank x (9 hidden + 3 inner) parameters a layer, 16 bytes each (weight, gradient, Adam's two);
- what is kept for going back, where all else is computed again: layers x hidden numbers a token, and
  108 hidden + 27 inner for the layer that is at work, as wide as the base's;
- the likelihoods: 3 x vocabulary numbers a token, 4 bytes each.

The factors 108, 27 and 3 were measured with peft on random Qwen3 models of 27 and 42 million parameters.
Where there is more memory a trainer keeps more, and is faster.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from engine.bases import read_json, weight_files
from engine.hardware import Machine

RANK = 16
_LIBRARIES = 500_000_000


class Shape(msgspec.Struct, frozen=True):
    """A transformer's size. hidden, inner: width of its stream and of its feed-forward layers."""

    parameters: int
    layers: int
    hidden: int
    inner: int
    vocabulary: int


def shape_of(folder: Path) -> Shape | None:
    """The shape of the model in `folder`, or None where its config.json does not say it."""
    config = read_json(folder / "config.json")
    inner = config.get("text_config")
    config = inner if isinstance(inner, dict) else config
    wide = 4 if "32" in str(config.get("dtype") or config.get("torch_dtype")) else 2
    names = ("num_hidden_layers", "hidden_size", "intermediate_size", "vocab_size")
    sizes = [config.get(name) for name in names]
    stored = sum(file.stat().st_size for file in weight_files(folder))
    if not stored or not all(isinstance(size, int) for size in sizes):
        return None
    return Shape(stored // wide, *sizes)  # type: ignore[arg-type]


def training_memory(shape: Shape, machine: Machine, tokens: int, *, four_bits: bool = False) -> int:
    """Bytes at the highest point. tokens: of one batch, that is its examples times the longest."""
    wide = 4 if machine.kind == "cpu" else 2
    words = shape.vocabulary * shape.hidden
    base = (shape.parameters - words) * 0.55 + words * 2 if four_bits else shape.parameters * wide
    adapter = shape.layers * RANK * (9 * shape.hidden + 3 * shape.inner) * 16
    kept = tokens * (shape.layers * shape.hidden + 108 * shape.hidden + 27 * shape.inner) * wide
    likelihoods = tokens * 3 * shape.vocabulary * 4
    return int(_LIBRARIES + base + adapter + kept + likelihoods)
