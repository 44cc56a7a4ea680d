"""What a model's folder says about its size, without loading it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from engine.local.trainers import bases
from engine.local.trainers.weights import tensors, words


class Size(NamedTuple):
    """parameters: how many numbers. words: those of word vectors and output layer. bytes: all, on disk."""

    parameters: int
    words: int
    bytes: int


def size(folder: Path) -> Size:
    """From the headers of the model's safetensors files. Raises StudioError where they cannot be read."""
    found = tensors(folder)
    parameters = sum(tensor.size for tensor in found.values())
    return Size(parameters, words(found), sum(path.stat().st_size for path in bases.weight_files(folder)))
