"""Arrays and settings in one private file: an npz without pickle, written whole or not at all."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from engine.errors import StudioError
from engine.local.trainers.retrieval import Index

Array = npt.NDArray[Any]
T = TypeVar("T")
VERSION = 1


def save(path: Path, about: msgspec.Struct, arrays: Mapping[str, Array]) -> None:
    """Write `about` (as JSON) and `arrays` to `path` with mode 0600; an older file there is replaced."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            np.savez(
                file,
                allow_pickle=False,
                version=np.array(VERSION),
                about=np.frombuffer(msgspec.json.encode(about), np.uint8),
                **arrays,
            )
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def load(path: Path, about: type[T]) -> tuple[T, dict[str, Array]]:
    """What `save` wrote with the same type. StudioError where there is no such file or it is damaged."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        if int(arrays.pop("version")) != VERSION:
            raise StudioError(
                "This model was written by another version of Understudy.", "Train it again with this one."
            )
        return msgspec.json.decode(arrays.pop("about").tobytes(), type=about), arrays
    except FileNotFoundError:
        raise StudioError(f"There is no trained model in {path.parent}.", "Train one first.") from None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, msgspec.MsgspecError) as error:
        raise StudioError(f"The model in {path.parent} is damaged ({error}).", "Train it again.") from error


def pack_texts(name: str, texts: Sequence[bytes]) -> dict[str, Array]:
    """Byte strings as two arrays, `name` and `name.ends`."""
    return {
        name: np.frombuffer(b"".join(texts), np.uint8),
        f"{name}.ends": np.cumsum([len(text) for text in texts], dtype=np.int64),
    }


def unpack_texts(name: str, arrays: Mapping[str, Array]) -> list[bytes]:
    whole, ends = arrays[name].tobytes(), arrays[f"{name}.ends"].tolist()
    return [whole[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def pack_index(index: Index) -> dict[str, Array]:
    """A retrieval index as arrays."""
    return {
        "index.starts": index.starts,
        "index.moments": index.moments,
        "index.impacts": index.impacts,
        "index.size": np.array(index.size),
        **pack_texts("index.words", [word.encode() for word in index.words]),
    }


def unpack_index(arrays: Mapping[str, Array]) -> Index:
    words = {word.decode(): i for i, word in enumerate(unpack_texts("index.words", arrays))}
    size = int(arrays["index.size"])
    return Index(words, arrays["index.starts"], arrays["index.moments"], arrays["index.impacts"], size)
