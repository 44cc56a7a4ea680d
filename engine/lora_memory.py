"""How much memory it takes to train a low-rank adapter: one sum, for the list of base models and for the job.

With transformers and peft it is what stays, whatever the batch,
- the libraries: 0.8 GB, on a graphics card 0.9 with its context;
- the base: its parameters, 4 bytes each on a processor, 2 on a card; in 4 bits 0.56 bytes, but for its word
  vectors and output layer;
- what is trained, 16 bytes each: weight, gradient, Adam's two;

and for each token of a pass
- what a layer keeps for going back, 30 hidden + 7 inner numbers (norms, projections, attention, the gated
  inner layer and the adapters' own copies): that of all layers, and a third more for the one at work;
- where it is computed again instead, only the layers' inputs; on a processor 0.3 of the whole all the same,
  which the C library does not hand back;
- the likelihoods, for at most 4,096 tokens and 32,768 words at a time: 8 numbers each on a processor, 2 on a
  card.

Measured as the highest resident size of whole trainings on a processor, on random Qwen3 models of 5 to 45
million parameters: the sum was 3 to 24 % above it. A card is given the same counts in 16 bits, and 32 for the
adapters' copies. `mlx_need` was fitted to `mx.get_peak_memory`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from engine.bases import read_json, weight_files

RANK = 16
TRAINED = 16
LIBRARIES = {"cpu": 8e8, "cuda": 9e8}
QUANTISED = 0.56
"""Bytes of a base's parameter in 4 bits, with its scales."""
_AT_WORK = 1.35
_NOT_HANDED_BACK = 0.3
_TILE = (4096, 32_768)


class Shape(msgspec.Struct, frozen=True):
    """A transformer's size. hidden, inner: width of its stream and of its feed-forward layers.

    words: parameters of word vectors and output layer, 0 for one table of them that is both.
    """

    parameters: int
    layers: int
    hidden: int
    inner: int
    vocabulary: int
    words: int = 0


class Need(msgspec.Struct, frozen=True):
    """Bytes. fixed: whatever the batch. kept, again: for each token of a pass, where what layers leave behind
    is kept and where it is computed again. scored: for each of at most `at_once` tokens that are scored.
    """

    fixed: float
    kept: float
    again: float
    scored: float
    at_once: int

    def bytes(self, batch: int, length: int, again: bool) -> float:
        """batch: examples of one pass. length: tokens of the longest. again: see above."""
        tokens = batch * length
        token = self.again if again else self.kept
        return self.fixed + tokens * token + min(tokens, self.at_once) * self.scored


def need(
    shape: Shape, kind: Literal["cpu", "cuda"], *, trained: int | None = None, four_bits: bool = False
) -> Need:
    """With transformers and peft. trained: parameters; by default those of an adapter of rank 16."""
    wide = 4 if kind == "cpu" else 2
    words = shape.words or shape.vocabulary * shape.hidden
    base = (shape.parameters - words) * QUANTISED + words * wide if four_bits else shape.parameters * wide
    layer = (30 * shape.hidden + 7 * shape.inner) * (4 if kind == "cpu" else 3)
    inputs = layer * _NOT_HANDED_BACK if kind == "cpu" else shape.hidden * wide
    return Need(
        fixed=LIBRARIES[kind] + base + TRAINED * (adapter(shape) if trained is None else trained),
        kept=(shape.layers + _AT_WORK) * layer,
        again=shape.layers * inputs + _AT_WORK * layer,
        scored=min(shape.vocabulary, _TILE[1]) * (8 * 4 if kind == "cpu" else 2 * 2),
        at_once=_TILE[0],
    )


def mlx_need(
    shape: Shape,
    longest: int,
    *,
    stored: int,
    trained: int | None = None,
    heads: int = 0,
    wide: int = 3,
    dropout: bool = True,
) -> Need:
    """With mlx-lm, where attention keeps its weights for each pair of the `longest` example's tokens.

    stored: bytes of the base, which is taken as it lies on the disk. wide: bytes of a number in between, 4
    beside a base of 32 bits. heads: 0 for one for each 64 of the width.
    """
    inside = 12 * shape.hidden + 6 * shape.inner
    inside += (8 * shape.hidden + 2 * shape.inner) if dropout else 0
    layer = wide * inside + 7 * (heads or shape.hidden // 64) * longest
    return Need(
        fixed=LIBRARIES["cpu"] + stored + TRAINED * (adapter(shape) if trained is None else trained),
        kept=shape.layers * layer,
        again=layer + shape.layers * shape.hidden * wide,
        scored=20 * shape.vocabulary,
        at_once=2**62,
    )


def adapter(shape: Shape) -> int:
    """Parameters of an adapter of rank 16 to all linear layers."""
    return shape.layers * RANK * (9 * shape.hidden + 3 * shape.inner)


def shape_of(folder: Path) -> Shape | None:
    """The shape of the model in `folder`, or None where its config.json does not say it."""
    config = read_json(folder / "config.json")
    inner = config.get("text_config")
    tied = config.get("tie_word_embeddings", True)
    config = inner if isinstance(inner, dict) else config
    wide = 4 if "32" in str(config.get("dtype") or config.get("torch_dtype")) else 2
    names = ("num_hidden_layers", "hidden_size", "intermediate_size", "vocab_size")
    sizes = [config.get(name) for name in names]
    stored = sum(file.stat().st_size for file in weight_files(folder))
    if not stored or not all(isinstance(size, int) for size in sizes):
        return None
    layers, hidden, width, vocabulary = (int(size) for size in sizes if size is not None)
    return Shape(stored // wide, layers, hidden, width, vocabulary, 0 if tied else 2 * vocabulary * hidden)
