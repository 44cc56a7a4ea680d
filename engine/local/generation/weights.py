"""What a model's folder says about its size, without loading it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, NamedTuple

from engine.errors import StudioError

_MAX_HEADER = 100_000_000


class Size(NamedTuple):
    """parameters: how many numbers. bytes: of them as they are on disk."""

    parameters: int
    bytes: int


def size(folder: Path) -> Size:
    """From the headers of the folder's safetensors files. Raises StudioError where they cannot be read."""
    parameters = total = 0
    for path in sorted(folder.glob("*.safetensors")):
        try:
            with path.open("rb") as file:
                length = int.from_bytes(file.read(8), "little")
                header: dict[str, Any] = json.loads(file.read(min(length, _MAX_HEADER)))
            tensors = [tensor for name, tensor in header.items() if name != "__metadata__"]
            parameters += sum(math.prod(tensor["shape"]) for tensor in tensors)
            total += sum(tensor["data_offsets"][1] - tensor["data_offsets"][0] for tensor in tensors)
        except (OSError, ValueError, AttributeError, KeyError, TypeError):
            raise StudioError(
                f"The model's file {path.name} cannot be read.", "Download the model once more."
            ) from None
    return Size(parameters, total)
