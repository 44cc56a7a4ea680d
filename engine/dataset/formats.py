"""Chunks as files: OpenAI's chat format, one JSON object a line."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from engine.dataset.chunks import Chunk, Turn
from engine.errors import StudioError


def example(chunk: Chunk) -> dict[str, Any]:
    """A chunk in OpenAI's chat format. `weight` stands (as 0) only on replies that are context."""
    return {"messages": [_message(turn) for turn in chunk.turns]}


def jsonl(chunks: Iterable[Chunk]) -> Iterator[str]:
    """One line (with its newline) a chunk. Raises ValueError for a chunk that is kept for the test."""
    for chunk in chunks:
        if chunk.split == "test":
            raise ValueError(f"Chunk {chunk.index} is kept for the test: it is never written for training.")
        yield msgspec.json.encode(example(chunk)).decode() + "\n"


def write_jsonl(path: Path, chunks: Iterable[Chunk]) -> int:
    """Write the chunks to `path`, private to the user (0600), whole or not at all; how many there are.

    Raises StudioError where the file cannot be written, ValueError as `jsonl` does.
    """
    target = path.expanduser().resolve()
    if target.exists() and not target.is_file():
        raise StudioError(f"{path} is not a file.", "Give the name of a new file.")
    written = 0
    try:
        # mkstemp makes the file 0600.
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    except OSError as error:
        raise _unwritable(path, error) from None
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            for line in jsonl(chunks):
                file.write(line)
                written += 1
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(target)
    except OSError as error:
        raise _unwritable(path, error) from None
    finally:
        Path(name).unlink(missing_ok=True)
    return written


def _message(turn: Turn) -> dict[str, Any]:
    message: dict[str, Any] = {"role": turn.role, "content": turn.text}
    if turn.weight == 0:
        message["weight"] = 0
    return message


def _unwritable(path: Path, error: OSError) -> StudioError:
    return StudioError(f"{path} cannot be written ({error.strerror}).", "Choose another folder.")
