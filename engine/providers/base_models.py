"""The open models that the local provider can fine-tune here: what each needs, and what is on this disk."""

from __future__ import annotations

import importlib.util
import os
import time
import tomllib
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from engine import bases
from engine.errors import StudioError
from engine.hardware import Machine, machine
from engine.lora_memory import Shape, mlx_need, need, shape_of

USUAL_TOKENS = 512
"""Length of the examples that a list's figures are for."""
# What fits beside the system and its programs, and what a processor trains in an evening.
_SHARE = 0.6
_MOST_ON_A_CPU = 700_000_000


class Known(msgspec.Struct, frozen=True):
    """One row of base_models.toml. download: bytes."""

    id: str
    licence: str
    download: int
    shape: Shape


class Base(msgspec.Struct, frozen=True):
    """A base model and this machine. folder: where it lies here, else it has to be downloaded.

    shape, download (bytes): None where they cannot be known before. needs: the command that installs what
    trains it, "" where that is there. measured: what 1,000 examples took here, "" before the first job.
    """

    id: str
    machine: Machine
    shape: Shape | None = None
    licence: str = ""
    download: int | None = None
    folder: Path | None = None
    needs: str = ""
    measured: str = ""

    def memory(self, tokens: int = USUAL_TOKENS) -> int | None:
        """Bytes that its training takes at least; tokens: of the longest example."""
        if self.shape is None:
            return None
        if self.machine.kind == "apple":
            takes = mlx_need(self.shape, tokens, stored=2 * self.shape.parameters)
        else:
            four_bits = self.machine.kind == "cuda" and _installed("bitsandbytes")
            takes = need(self.shape, self.machine.kind, four_bits=four_bits)
        return int(takes.bytes(1, tokens, again=True))


class _Measured(msgspec.Struct, frozen=True):
    """A row of measured.jsonl, which the local provider writes. at: seconds since 1970. trainer: the library
    it was made with, "lora" or "mlx"."""

    model: str
    examples: float
    seconds: float
    at: int
    trainer: str


def is_open_model(model: str) -> bool:
    """Whether the id names a Hugging Face model: `owner/name`, or a folder."""
    return "/" in model


def as_named(text: str) -> str:
    """What a person wrote as a base model: a folder as its whole path, an id on the hub as it is.

    A model's folder that lies here goes before an id that reads the same, as everywhere with Hugging Face.
    """
    is_folder = text.startswith(("/", "./", "../", "~")) or Path(text, "config.json").is_file()
    return str(Path(text).expanduser().absolute()) if is_folder else text


def base_model(model: str, local_folder: Path) -> Base:
    """The model of that id, and what it needs here. local_folder: of the local provider.

    Reads the disk: call it in a worker. Raises StudioError where it is no model.
    """
    if not bases.named(model):
        if model.startswith("/"):
            raise StudioError(
                f"There is no Hugging Face model in {model}.",
                "Name the folder that holds its config.json, with the whole path.",
            )
        raise StudioError(
            f"{model} names no model.", "Write it as on the hub, owner/name, or name a folder: /path/to/it."
        )
    known = _known().get(model)
    folder = bases.folder(model)
    shape = known.shape if known else shape_of(folder) if folder else None
    return Base(
        id=model,
        machine=machine(),
        shape=shape,
        licence=known.licence if known else "",
        download=None if folder or not known else known.download,
        folder=folder,
        needs=_needs(machine()),
        measured=_took(model, _trainer(machine()), local_folder),
    )


def listed(local_folder: Path, used: Iterable[str] = ()) -> list[Base]:
    """The models to choose from: those of base_models.toml by size, then what else lies on this disk, then
    what was trained on before.

    used: ids; what they name may be gone. Reads the disk: call it in a worker.
    """
    ids = dict.fromkeys([*_known(), *bases.on_disk(), *(model for model in used if bases.named(model))])
    return [base_model(model, local_folder) for model in ids]


def suits(models: list[Base]) -> Base | None:
    """The largest of them that this machine trains well, or None where even the smallest is too large."""
    fitting = [
        (one.shape.parameters, place)
        for place, one in enumerate(models)
        if one.shape is not None
        and (one.memory() or 0) <= _SHARE * one.machine.memory
        and (one.machine.kind != "cpu" or one.shape.parameters <= _MOST_ON_A_CPU)
    ]
    return models[max(fitting)[1]] if fitting else None


def check(base: Base) -> None:
    """Raises StudioError where a training would be refused, in the words of what is missing."""
    if base.needs:
        raise StudioError(f"{base.id} needs more than the default install.", f"{base.needs}, then try again.")
    if base.folder is None and bases.offline():
        raise StudioError(
            f"{base.id} is not on this machine, and HF_HUB_OFFLINE forbids to download it.",
            "Unset HF_HUB_OFFLINE, or name a folder that holds it.",
        )


def hub_host() -> str:
    """Where downloads come from."""
    given = os.environ.get("HF_ENDPOINT", "")
    return urlsplit(given).netloc or "huggingface.co"


def _needs(here: Machine) -> str:
    if _installed("peft") or _installed("mlx_lm"):
        return ""
    return f"pip install 'understudy[{'mlx' if here.kind == 'apple' else 'lora'}]'"


def _installed(library: str) -> bool:
    return importlib.util.find_spec(library) is not None


def _trainer(here: Machine) -> str:
    """The library that trains here where nobody asks for another."""
    return "mlx" if here.kind == "apple" and _installed("mlx_lm") else "lora"


def _took(model: str, trainer: str, local_folder: Path) -> str:
    """In words, what 1,000 examples of the newest job of that library took."""
    newest = None
    try:
        lines = (local_folder / "measured.jsonl").read_bytes().splitlines()
    except OSError:
        return ""
    for line in lines:
        try:
            row = msgspec.json.decode(line, type=_Measured)
        except msgspec.DecodeError:
            continue  # half a line of a crash
        if (row.model, row.trainer) == (model, trainer) and row.examples > 0:
            newest = row
    if newest is None:
        return ""
    seconds = 1000 * newest.seconds / newest.examples
    day = time.strftime("%Y-%m-%d", time.localtime(newest.at))
    return f"1,000 examples took {_duration(seconds)} here ({day})"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s" if seconds >= 1 else "less than a second"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


@cache
def _known() -> dict[str, Known]:
    table = tomllib.loads(files("engine.providers").joinpath("base_models.toml").read_text("utf-8"))
    return {row.id: row for row in msgspec.convert(table["model"], list[Known])}
