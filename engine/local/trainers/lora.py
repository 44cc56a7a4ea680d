"""`lora`: supervised fine-tuning of any Hugging Face chat model with a low-rank adapter.

torch, transformers, peft and trl are loaded in processes of their own, one for each device, which the
launcher of `[local.lora]` starts where there is one. They hear that they shall stop when their standard
input closes, so they end with this process however it ends; what they have to say comes through their
standard output. The processes' side is `lora_run`.
"""

from __future__ import annotations

import os
import select
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from engine.errors import DataError, StudioError
from engine.local import disk
from engine.local.trainers import (
    Checkpoint,
    Died,
    Example,
    LoraSettings,
    Model,
    Note,
    Progress,
    Settings,
    Step,
    Validation,
    bases,
    four_bits,
    prepared,
    weights,
)
from engine.local.trainers.download import base_folder

# Before a line for us: what else the libraries print goes to the log.
SIGN = b"\x1e"
STATE = "state"
_HEARTBEAT = 0.5
# The processes finish the step they are at and save; they end themselves after their own patience.
_PATIENCE = 30.0


class Run(msgspec.Struct, frozen=True):
    """`run.json` in the state's folder: what the training processes are to do. out: the trainer's `out`."""

    base: str
    path: str
    settings: Settings
    out: str
    resume: bool


class Data(msgspec.Struct, frozen=True):
    """The examples, in a file of their own that lives as long as this run."""

    training: list[Example]
    validation: list[Example]


class Failed(msgspec.Struct, frozen=True):
    """Why training cannot go on. data: the examples are at fault."""

    message: str
    hint: str
    data: bool


Said = Step | Validation | Checkpoint | Note | Failed
SAID: dict[str, type[Any]] = {kind.__name__: kind for kind in (Step, Validation, Checkpoint, Note, Failed)}


class Lora:
    description = "Fine-tunes a Hugging Face chat model with a small adapter."

    def __init__(self, model: str) -> None:
        self.name = model

    def plan(self, examples: list[Example], settings: Settings) -> Settings:
        """See `prepared.plan`."""
        return prepared.plan(self.name, "lora", examples, settings)

    def check(self, settings: LoraSettings) -> None:
        """Raise SettingError where training with these would be refused, as far as is known by now."""
        four_bits.settled(settings.quantise, "cpu")  # on a card it takes no more than on a CPU
        if folder := bases.folder(self.name):
            weights.check(folder, settings)

    def train(
        self,
        examples: list[Example],
        validation: list[Example],
        settings: Settings,
        out: Path,
        resume: bool,
    ) -> Progress:
        """See Trainer.train. StudioError where this machine, the model or the settings forbid it."""
        bases.check(self.name, "lora")
        path = yield from base_folder(self.name)
        bases.check(self.name, "lora")
        self.check(settings.lora)
        state = out / STATE
        if not resume:
            shutil.rmtree(state, ignore_errors=True)
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        disk.write_record(
            state / "run.json", Run(self.name, str(path), self.plan(examples, settings), str(out), resume)
        )
        disk.write(state / "data.msgpack", msgspec.msgpack.encode(Data(examples, validation)))
        try:
            yield from _follow(_command(state))
        finally:
            (state / "data.msgpack").unlink(missing_ok=True)
        shutil.rmtree(state)

    def load(self, folder: Path) -> Model:
        """Models of this kind answer in a process of their own, not here."""
        raise StudioError(f"The adapter in {folder} cannot be loaded into this process.")


def _command(state: Path) -> list[str]:
    """The training processes: this Python, or what the person's launcher makes of it."""
    from engine import config

    module = ["-m", "engine.local.trainers.lora_run", str(state)]
    launcher = shlex.split(config.load().settings.local.lora.launcher)
    if not launcher:
        return [sys.executable, *(["-P"] if sys.flags.safe_path else []), *module]
    beside = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    program = shutil.which(launcher[0], path=beside)
    if program is None:
        raise StudioError(
            f"The launcher '{launcher[0]}' is not installed here.",
            "Change [local.lora] launcher, or leave it out.",
        )
    return [program, *launcher[1:], *module]


def _follow(command: list[str]) -> Progress:
    """Everything that the processes say, until the last of them has ended.

    Raises StudioError where they say why they failed, Died where they do not.
    """
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin and process.stdout
    try:
        failed: Failed | None = None
        rest = b""
        while True:
            ready, _, _ = select.select([process.stdout], [], [], _HEARTBEAT)
            if not ready:
                yield None
                continue
            fresh = os.read(process.stdout.fileno(), 65536)
            if not fresh:
                break
            *lines, rest = (rest + fresh).split(b"\n")
            for item in _heard(lines):
                if isinstance(item, Failed):
                    failed = failed or item
                else:
                    yield item
        status = process.wait()
        if failed:
            raise (DataError if failed.data else StudioError)(failed.message, failed.hint)
        if status:
            raise Died(status)
    finally:
        process.stdin.close()
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def _heard(lines: list[bytes]) -> Iterator[Said]:
    for line in lines:
        printed, sign, said = line.partition(SIGN)
        if printed:
            sys.stderr.buffer.write(printed + b"\n")
            sys.stderr.flush()
        if sign:
            yield read(said.decode())


def written(item: Said) -> str:
    """One line for what a training process says."""
    return f"{type(item).__name__} {msgspec.json.encode(item, enc_hook=str).decode()}"


def read(line: str) -> Said:
    """What such a line says."""
    kind, _, content = line.partition(" ")
    item: Said = msgspec.json.decode(content, type=SAID[kind], dec_hook=_path)
    return item


def _path(_: type, text: str) -> Path:
    return Path(text)
