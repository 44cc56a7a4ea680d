"""torch: transformers' own modelling code with peft's adapters, on whatever this machine computes with."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM

from engine.bases import read_json
from engine.errors import StudioError
from engine.local.generation import weights
from engine.local.generation.backend import Continuation, Room
from engine.local.generation.sampling import Logits
from engine.local.trainers import four_bits
from engine.local.trainers.memory import free_memory
from engine.lora_memory import QUANTISED

# What a prompt and a chat's cache take beside the weights, as a share of these; and in any case.
_BESIDE = 0.15
_ALWAYS = 200_000_000
_FLOAT32 = 4


class TorchBackend:
    """peft puts the adapters' layers into the base model itself; here they are switched on and off."""

    def __init__(self, quantised: bool) -> None:
        self._device = _device()
        self._quantised = quantised and four_bits.able(self._device)
        self._base: Any = None
        self._peft: Any = None
        self._names: dict[Path, str] = {}
        self._on: str | None = None
        self._made = 0
        self._last_only: dict[str, int] = {}

    def room(self, base: Path) -> Room:
        size = weights.size(base)
        if self._quantised:
            wide = 2 if self._device == "cuda" else _FLOAT32
            loaded = int((size.parameters - size.words) * QUANTISED) + size.words * wide
        elif self._whole_floats(base):
            loaded = size.parameters * _FLOAT32
        else:
            loaded = size.bytes
        needed = int(loaded * (1 + _BESIDE)) + _ALWAYS
        if self._device == "cuda":
            return Room(needed, torch.cuda.mem_get_info()[0])
        return Room(needed, free_memory())

    def load(self, base: Path) -> None:
        settings: dict[str, Any] = {"dtype": torch.float32 if self._whole_floats(base) else "auto"}
        if self._device == "cuda":
            settings["device_map"] = {"": 0}  # straight to where it shall be
        if self._quantised:
            settings["dtype"] = torch.bfloat16 if self._device == "cuda" else torch.float32
            settings |= four_bits.options(0 if self._device == "cuda" else "cpu", settings["dtype"])
        try:
            model = AutoModelForCausalLM.from_pretrained(str(base), local_files_only=True, **settings)
        except (ImportError, ValueError, KeyError) as error:
            raise StudioError(
                f"This model cannot be loaded here ({type(error).__name__}).",
                "Its kind may be newer than the installed transformers, or need a library that is missing.",
            ) from error
        if model.device.type != self._device:
            model = model.to(self._device)
        self._base = model.eval().requires_grad_(False)
        if "logits_to_keep" in inspect.signature(self._base.forward).parameters:
            self._last_only = {"logits_to_keep": 1}

    def load_adapter(self, adapter: Path) -> None:
        from peft import PeftModel

        self._made += 1
        name = f"adapter-{self._made}"
        try:
            if self._peft is None:
                self._peft = PeftModel.from_pretrained(self._base, str(adapter), adapter_name=name)
                self._on = name
            else:
                self._peft.load_adapter(str(adapter), adapter_name=name)
        except (ValueError, KeyError, RuntimeError, TypeError, OSError, SafetensorError) as error:
            raise StudioError(
                f"The fine-tuned model's adapter is damaged, or does not fit its base model "
                f"({type(error).__name__}).",
                "Train it again on the base model as it is now.",
            ) from error
        self._peft.eval()
        self._names[adapter] = name

    def unload_adapter(self, adapter: Path) -> None:
        name = self._names.pop(adapter)
        if self._on == name:
            self._switch(None)
        self._peft.delete_adapter(name)

    def start(self, adapter: Path | None) -> Continuation:
        return _Text(self, None if adapter is None else self._names[adapter])

    def compute(self, name: str | None, tokens: Sequence[int], cache: Any) -> tuple[Logits, Any]:
        """One step with the adapter of this name (None: the bare base), and the cache with `tokens` in it."""
        if name != self._on:
            self._switch(name)
        with torch.inference_mode():
            asked = torch.tensor([list(tokens)], device=self._device)
            made = self._base(input_ids=asked, past_key_values=cache, use_cache=True, **self._last_only)
        logits: Logits = made.logits[0, -1].float().cpu().numpy()
        return logits, made.past_key_values

    def _switch(self, name: str | None) -> None:
        if name is None:
            self._peft.base_model.disable_adapter_layers()
        else:
            self._peft.base_model.enable_adapter_layers()
            self._peft.base_model.set_adapter(name, inference_mode=True)
        self._on = name

    def _whole_floats(self, base: Path) -> bool:
        """A CPU without units for half floats is many times slower with them than with whole ones."""
        return self._device == "cpu" and "quantization_config" not in read_json(base / "config.json")


class _Text:
    def __init__(self, backend: TorchBackend, name: str | None) -> None:
        self._backend = backend
        self._name = name
        self._cache: Any = None  # made by the model itself: each kind has its own

    def logits(self, tokens: Sequence[int]) -> Logits:
        logits, self._cache = self._backend.compute(self._name, tokens, self._cache)
        return logits


def _device() -> str:
    if torch.cuda.is_available():
        return "cuda"
    if torch.backends.mps.is_available():
        return "mps"
    return "cpu"
