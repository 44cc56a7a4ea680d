"""What the local provider takes on this disk, and room made by removing what is not needed any more."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from engine.providers import local_process


class DiskItem(msgspec.Struct, frozen=True):
    """One thing that lies here. kind: job, model, checkpoint, training state, upload, results or base model.

    bytes: of its files. created_at: seconds since 1970. prune: why it is not needed any more, "" where it is.
    """

    kind: str
    id: str
    bytes: int
    created_at: int
    prune: str
    path: str


async def usage(folder: Path) -> list[DiskItem]:
    """Everything, what belongs to a job together. folder: of the local provider. Raises StudioError."""
    return _items(await local_process.ask(folder, "GET", "/usage"))


async def prune(folder: Path, items: Sequence[DiskItem]) -> list[DiskItem]:
    """Remove those of `items` that are still not needed; what went. Raises StudioError."""
    body = {"paths": [item.path for item in items]}
    return _items(await local_process.ask(folder, "POST", "/prune", body))


def _items(answer: dict[str, object]) -> list[DiskItem]:
    return msgspec.convert(answer["data"], list[DiskItem])
