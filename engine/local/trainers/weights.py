"""What a model's weights look like, read from the headers of its safetensors files: nothing is loaded."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec

from engine.errors import StudioError
from engine.local.trainers import LoraSettings, SettingError, bases

_HEADS = frozenset({"lm_head", "output", "wte", "wpe"})
_MAX_HEADER = 100_000_000


class Tensor(msgspec.Struct, frozen=True):
    """One entry of a header; what else stands there is not looked at."""

    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        return math.prod(self.shape)


def tensors(folder: Path) -> dict[str, Tensor]:
    """Every tensor of the model by name. Raises StudioError where the weights are absent or damaged."""
    found: dict[str, Tensor] = {}
    for path in bases.weight_files(folder):
        try:
            with path.open("rb") as file:
                length = int.from_bytes(file.read(8), "little")
                header = msgspec.json.decode(file.read(min(length, _MAX_HEADER)), type=dict[str, msgspec.Raw])
            header.pop("__metadata__", None)
            found |= {name: msgspec.json.decode(about, type=Tensor) for name, about in header.items()}
        except (OSError, msgspec.DecodeError):
            raise StudioError(f"The weights in {path} are damaged.", "Download the model again.") from None
    if not found:
        raise StudioError(
            f"There are no weights in {folder}.", "Choose a model that is kept as safetensors files."
        )
    return found


def words(all_tensors: dict[str, Tensor]) -> int:
    """Parameters of the word vectors and the output layer, which stay as they are in a base in 4 bits."""
    return sum(
        tensor.size
        for name, tensor in all_tensors.items()
        if "embed" in name or not _HEADS.isdisjoint(name.split("."))
    )


def check(folder: Path, lora: LoraSettings) -> None:
    """Raise SettingError where what the settings name is not in the model."""
    found = tensors(folder)
    adapted(found, lora)
    trained_whole(found, lora)


def adapted(all_tensors: dict[str, Tensor], lora: LoraSettings) -> list[Tensor]:
    """The weights that get an adapter. Raises SettingError where a target module does not exist."""
    linear: dict[str, list[Tensor]] = {}
    for name, tensor in all_tensors.items():
        module, _, kind = name.rpartition(".")
        last = module.rpartition(".")[2]
        if kind == "weight" and len(tensor.shape) == 2 and "embed" not in last and last not in _HEADS:
            linear.setdefault(last, []).append(tensor)
    wanted = (lora.target_modules,) if isinstance(lora.target_modules, str) else lora.target_modules
    if wanted == ("all-linear",):
        return [tensor for each in linear.values() for tensor in each]
    for module in wanted:
        if module not in linear:
            raise SettingError(
                "target_modules",
                f"The model has no target module '{module}'.",
                f"Choose among {', '.join(sorted(linear))}, or 'all-linear'.",
            )
    return [tensor for module in wanted for tensor in linear[module]]


def trained_whole(all_tensors: dict[str, Tensor], lora: LoraSettings) -> int:
    """How many parameters `modules_to_save` trains. Raises SettingError where there is no such module."""
    total = 0
    for module in lora.modules_to_save:
        sizes = [tensor.size for name, tensor in all_tensors.items() if module in name.split(".")]
        if not sizes:
            named = {name.split(".")[-2] for name in all_tensors if "." in name}
            raise SettingError(
                "modules_to_save",
                f"The model has no module '{module}' to save.",
                f"Choose among {', '.join(sorted(named))}, or leave it out.",
            )
        total += sum(sizes)
    return total
