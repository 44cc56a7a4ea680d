"""What computes: the model's weights and nothing else.

Tokenizer, chat template, sampling, stop strings and the order of turns are the process's own and the
same for every backend (see `talk`), so a backend is two small things: the weights, and one running text.
"""

from __future__ import annotations

import importlib.util
import platform
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Logits = NDArray[numpy.float32]

BackendName = Literal["torch", "mlx"]


class Room(NamedTuple):
    """Bytes of memory, of the kind that the weights go to. needed: an estimate from the files' sizes."""

    needed: int
    free: int


class Continuation(Protocol):
    """One text while it grows, with its own KV cache. Dropping the last reference frees the cache."""

    def logits(self, tokens: Sequence[int]) -> Logits:
        """Append `tokens` (one or more) to the text; the logits (vocabulary,) of what comes next.

        Calls for several texts come interleaved, in one thread. A long prompt comes in several calls.
        """
        ...


class Backend(Protocol):
    """The base model's weights and any number of adapters. All calls come from one thread.

    `base` is the base model's folder, complete on disk. `adapter` is a PEFT adapter folder and the
    adapter's name at once; None means the bare base. Loading raises StudioError for what a person can mend;
    MemoryError and OSError are put into words by the caller.
    """

    def room(self, base: Path) -> Room:
        """What loading `base` takes and what there is, without loading anything."""
        ...

    def load(self, base: Path) -> None: ...

    def load_adapter(self, adapter: Path) -> None:
        """Make `adapter` ready; only called for one that is not loaded."""
        ...

    def unload_adapter(self, adapter: Path) -> None: ...

    def start(self, adapter: Path | None) -> Continuation:
        """An empty text, continued by the base with `adapter` (loaded before)."""
        ...


def home() -> BackendName | None:
    """The backend for a bare base model on this machine, of those that are installed. Loads neither."""
    has_mlx, has_torch = (importlib.util.find_spec(library) is not None for library in ("mlx_lm", "peft"))
    apple = sys.platform == "darwin" and platform.machine() == "arm64"
    if has_mlx and (apple or not has_torch):
        return "mlx"
    return "torch" if has_torch else None


def backend(name: BackendName, quantised: bool) -> Backend:
    """Loads torch or mlx: only the generation process may call this.

    quantised: the base is brought to 4 bits while it is loaded, as it was for the training of its adapters.
    """
    if name == "mlx":
        made: Backend = import_module("engine.local.generation.mlx_backend").MlxBackend()
        return made
    from engine.local.generation.torch_backend import TorchBackend

    return TorchBackend(quantised)
