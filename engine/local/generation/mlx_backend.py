"""mlx: mlx-lm's own modelling code, on Apple silicon or, slowly, on a CPU.

Each adapter is a twin of the base model: its own modules with its own low-rank layers around the very same
weights. So many adapters share one loaded base, and nothing is switched between their texts.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from mlx_lm.models.cache import make_prompt_cache
from mlx_lm.tuner.utils import load_adapters

from engine.errors import StudioError
from engine.local.generation import weights
from engine.local.generation.backend import Continuation, Room
from engine.local.generation.sampling import Logits
from engine.local.trainers.mlx_adapter import free_memory, load_base

# What a prompt and a chat's cache take beside the weights, as a share of these; and in any case.
_BESIDE = 0.15
_ALWAYS = 200_000_000


class MlxBackend:
    def __init__(self) -> None:
        self._base: Any = None
        self._adapted: dict[Path, Any] = {}

    def room(self, base: Path) -> Room:
        needed = int(weights.size(base).bytes * (1 + _BESIDE)) + _ALWAYS
        return Room(needed, free_memory())

    def load(self, base: Path) -> None:
        self._base = load_base(base)

    def load_adapter(self, adapter: Path) -> None:
        try:
            self._adapted[adapter] = load_adapters(_twin(self._base), str(adapter)).eval()
        except (ValueError, KeyError, RuntimeError, TypeError, AttributeError, OSError) as error:
            raise StudioError(
                "The fine-tuned model's adapter is damaged, or does not fit its base model "
                f"({type(error).__name__}).",
                "Train it again on the base model as it is now.",
            ) from error

    def unload_adapter(self, adapter: Path) -> None:
        del self._adapted[adapter]
        mx.clear_cache()

    def start(self, adapter: Path | None) -> Continuation:
        return _Text(self._base if adapter is None else self._adapted[adapter])


class _Text:
    def __init__(self, model: Any) -> None:
        self._model = model
        self._cache = make_prompt_cache(model)

    def logits(self, tokens: Sequence[int]) -> Logits:
        made = self._model(mx.array([list(tokens)]), cache=self._cache)[0, -1]
        return np.array(made.astype(mx.float32))


def _twin(node: Any) -> Any:
    """The same module tree once more, around the same arrays."""
    if isinstance(node, nn.Module):
        made = copy.copy(node)
        for name, part in node.items():
            made[name] = _twin(part)
        return made
    if isinstance(node, dict):
        return {name: _twin(part) for name, part in node.items()}
    if isinstance(node, list | tuple):
        return type(node)(_twin(part) for part in node)
    return node
