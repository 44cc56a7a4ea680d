"""What a model's folder says about its size, without loading it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from engine.local.trainers import bases
from engine.local.trainers.weights import tensors


class Size(NamedTuple):
    """parameters: how many numbers. bytes: of them as they are on disk."""

    parameters: int
    bytes: int


def size(folder: Path) -> Size:
    """From the headers of the model's safetensors files. Raises StudioError where they cannot be read."""
    parameters = sum(tensor.size for tensor in tensors(folder).values())
    return Size(parameters, sum(path.stat().st_size for path in bases.weight_files(folder)))
