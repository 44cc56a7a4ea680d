"""The table of options: name, type, default and one sentence each.

Everything else is made from it: the help, the file that `understudy config init` writes, what a file
or the environment may say, and the names of the environment variables.
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
from msgspec import Meta, Struct

Theme = Literal["dark", "light", "ansi"]


class Lora(Struct, frozen=True):
    """How the embedded provider trains adapters on Hugging Face models."""

    launcher: Annotated[
        str,
        Meta(description="Starts the training of an adapter, like: accelerate launch --num_processes 2."),
    ] = ""


class Local(Struct, frozen=True):
    """The embedded provider on this machine."""

    models: Annotated[
        Path | None, Meta(description="A folder with Hugging Face models to offer beside the hub's cache.")
    ] = None
    unload_minutes: Annotated[
        float, Meta(description="How many minutes a Hugging Face model that nobody asks stays in memory.")
    ] = 10.0
    lora: Lora = Lora()


class Settings(Struct, frozen=True):
    """The settings in force. A field that is itself such a Struct is a table of the file, `[name]`."""

    studio: Annotated[
        Path | None, Meta(description="The studio file; empty is studio.db in your data folder.")
    ] = None
    provider: Annotated[
        str,
        Meta(description="Who trains and chats unless another is named; `understudy providers` lists them."),
    ] = "local"
    base_url: Annotated[
        str, Meta(description="Where the provider custom answers, like http://localhost:8000/v1.")
    ] = ""
    theme: Annotated[
        Theme,
        Meta(description="The colours; ansi is the terminal's own palette."),
    ] = "dark"
    boxes: Annotated[
        bool,
        Meta(description="Off for screen readers: one column, no rules or signs, roles in words."),
    ] = True
    mouse: Annotated[bool, Meta(description="Off leaves the mouse to the terminal, to select with.")] = True
    ssh: Annotated[
        Literal["auto", "on", "off"],
        Meta(description="Fewer frames, colours and reports for a slow line; auto is on over SSH."),
    ] = "auto"
    keys: Annotated[
        dict[str, str | list[str]],
        Meta(description="Other keys for actions, by id; `understudy config keys` lists all ids."),
    ] = {}
    local: Local = Local()


class Option(Struct, frozen=True):
    """One row. name: dotted where it stands in a table. kind: the type of its value."""

    name: str
    kind: Any
    default: Any
    sentence: str

    @property
    def variable(self) -> str:
        """The environment variable that goes before the file."""
        return "UNDERSTUDY_" + self.name.upper().replace(".", "_")

    @property
    def free(self) -> bool:
        """A table whose names are not ours, like [keys]: no environment variable sets it."""
        return get_origin(self.kind) is dict

    @property
    def takes(self) -> str:
        """What can be given, in words."""
        if get_origin(self.kind) is Literal:
            *names, last = get_args(self.kind)
            return f"{', '.join(names)} or {last}"
        if self.kind is bool:
            return "true or false"
        if self.kind is int:
            return "a whole number"
        if self.kind is float:
            return "a number from 0 on"
        return "a path" if self.is_path else "text in quotes"

    @property
    def is_path(self) -> bool:
        return isinstance(self.kind, types.UnionType) and Path in get_args(self.kind)


def options(table: type[Struct] = Settings, prefix: str = "") -> Iterator[Option]:
    """Every option, in the order of the table."""
    for field in msgspec.structs.fields(table):
        kind, sentence = field.type, ""
        if get_origin(kind) is Annotated:
            kind, meta = get_args(kind)[:2]
            sentence = meta.description or ""
        if isinstance(kind, type) and issubclass(kind, Struct):
            yield from options(kind, f"{prefix}{field.name}.")
            continue
        made = field.default_factory is not msgspec.NODEFAULT
        yield Option(prefix + field.name, kind, field.default_factory() if made else field.default, sentence)


def value(option: Option, given: object, folder: Path | None = None) -> Any:
    """What was given in a file or (as text) in the environment, as the option's type.

    folder: where relative paths begin. Raises ValueError where the option does not take it.
    """
    if option.is_path and isinstance(given, str):
        return (folder or Path.cwd()) / Path(given).expanduser() if given else option.default
    if option.kind is bool:
        return _switch(given)
    if option.kind is str and not isinstance(given, str):
        raise ValueError(given)
    try:
        found = msgspec.convert(given, option.kind, strict=option.kind is str)
    except msgspec.ValidationError:
        raise ValueError(given) from None
    if isinstance(found, float) and not 0 <= found < float("inf"):
        raise ValueError(given)
    return found


def _switch(given: object) -> bool:
    if isinstance(given, bool):
        return given
    said = given.strip().lower() if isinstance(given, str) else ""
    if said in ("on", "true", "yes", "1"):
        return True
    if said in ("off", "false", "no", "0"):
        return False
    raise ValueError(given)
