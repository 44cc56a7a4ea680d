"""What a trainer is: it learns one person's replies from training examples and gives a model.

The server and the job process know only these types. A trainer's numbers are real: losses are in
nats per token, accuracies are shares of 1.
"""

from __future__ import annotations

import importlib.util
import platform
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Annotated, Literal, Protocol, TypeAlias

import msgspec

from engine import bases as bases
from engine.errors import StudioError


class ChatMessage(msgspec.Struct, frozen=True):
    """One turn of a chat. role: system, user or assistant. weight 0: context, not learned."""

    role: str
    content: str
    name: str | None = None
    weight: int | None = None


class Example(msgspec.Struct, frozen=True):
    """One line of the training file: `msgspec.json.decode(line, type=Example)`."""

    messages: tuple[ChatMessage, ...]


class LoraSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How an adapter is trained on a Hugging Face chat model; `imitation` and `nearest` do not look at it.

    alpha: at "auto" twice the rank. learning_rate: what the multiplier multiplies, at "auto" 2e-4.
    max_length: how many tokens of an example are looked at, at "auto" what the model bears, up to 2048.
    modules_to_save: modules trained whole beside the adapter. quantise: whether the base is loaded in 4 bits,
    at "auto" where CUDA and bitsandbytes are. trainer: which library, at "auto" mlx on Apple silicon.
    """

    rank: Annotated[int, msgspec.Meta(ge=1, le=1024)] = 16
    alpha: Annotated[float, msgspec.Meta(gt=0)] | Literal["auto"] = "auto"
    dropout: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.05
    target_modules: str | Annotated[tuple[str, ...], msgspec.Meta(min_length=1)] = "all-linear"
    modules_to_save: tuple[str, ...] = ()
    learning_rate: Annotated[float, msgspec.Meta(gt=0)] | Literal["auto"] = "auto"
    max_length: Annotated[int, msgspec.Meta(ge=16)] | Literal["auto"] = "auto"
    quantise: Literal["auto", "4bit", "none"] = "auto"
    trainer: Literal["auto", "lora", "mlx"] = "auto"


class SettingError(StudioError):
    """One of LoraSettings cannot be with this model, or here. setting: its name."""

    def __init__(self, setting: str, message: str, hint: str) -> None:
        super().__init__(message, hint)
        self.setting = setting


class Settings(msgspec.Struct, frozen=True):
    """OpenAI's hyperparameters. `Trainer.plan` resolves every "auto"."""

    n_epochs: int | Literal["auto"] = "auto"
    batch_size: int | Literal["auto"] = "auto"
    learning_rate_multiplier: float | Literal["auto"] = "auto"
    seed: int = 0
    lora: LoraSettings = LoraSettings()


class Step(msgspec.Struct, frozen=True):
    """Progress up to and with `step` of `steps` (from 1). loss: nats per token over the batches since
    the Step before. accuracy: share of tokens guessed right, 0 to 1. epoch: from 1."""

    step: int
    steps: int
    epoch: int
    loss: float
    accuracy: float


class Validation(msgspec.Struct, frozen=True):
    """The same quantities as Step's, over the whole validation set, at the end of an epoch."""

    step: int
    epoch: int
    loss: float
    accuracy: float


class Checkpoint(msgspec.Struct, frozen=True):
    """A model that can be loaded from `folder` (inside the `out` given to `train`)."""

    step: int
    epoch: int
    folder: Path
    train_loss: float
    train_accuracy: float
    valid_loss: float | None = None
    valid_accuracy: float | None = None


class Note(msgspec.Struct, frozen=True):
    """One plain sentence for the job's events."""

    message: str
    level: Literal["info", "warn", "error"] = "info"


# None: nothing new, but a moment to look whether to stop.
Progress: TypeAlias = Generator[Step | Validation | Checkpoint | Note | None, None, None]


class Piece(msgspec.Struct, frozen=True):
    """A piece of a reply: whole characters only. tokens: how many tokens it stands for, 0 or more.

    origin: the training line that much of the reply was copied from. similarity: 0 to 1, how much alike
    that line's moment and this one are (nearest) or the share of the reply that was copied (imitation).
    Both are set on the last piece only, whose text may be empty.
    """

    text: str
    tokens: int
    origin: str | None = None
    similarity: float | None = None


class Model(Protocol):
    """A trained model, ready to answer."""

    def reply(
        self,
        messages: list[ChatMessage],
        *,
        temperature: float,
        top_p: float,
        max_tokens: int,
        stop: list[str],
        seed: int | None,
    ) -> Iterator[Piece]:
        """The reply to `messages`, piece by piece. The same seed and messages give the same reply."""
        ...


class Died(Exception):  # noqa: N818 - it is what happened, nobody made an error
    """A process that trains was killed, or ended without a word. Takes its exit status."""


class Adapter(msgspec.Struct, frozen=True):
    """`understudy.json` beside an adapter in PEFT format: what it was trained on, with what.

    base: as the job named it. path: the folder that was loaded. trainer: "lora" or "mlx".
    """

    base: str
    path: str
    trainer: Literal["lora", "mlx"]
    quantised: bool = False


class Trainer(Protocol):
    """One way to learn. `name` is the base model's id."""

    name: str
    description: str

    def plan(self, examples: list[Example], settings: Settings) -> Settings:
        """`settings` with every "auto" resolved for these examples."""
        ...

    def train(
        self,
        examples: list[Example],
        validation: list[Example],
        settings: Settings,
        out: Path,
        resume: bool,
    ) -> Progress:
        """Learn, and leave the final model in `out` (see `load`).

        A generator: close it to pause or cancel. With `resume` it goes on from the state last saved
        in `out` (start afresh where there is none) and ends with the same model as without the pause;
        steps since that state are yielded once more. Without `validation` a tenth of `examples` is held out.
        """
        ...

    def load(self, folder: Path) -> Model:
        """The model in `folder`: the `out` of a finished training or a checkpoint's folder."""
        ...


def trainer_for(model: str, settings: Settings | None = None) -> Trainer | None:
    """What trains the base model of that id, or None where nothing does. Loads neither numpy nor torch.

    model: `imitation`, `nearest`, a model's id on the Hugging Face hub or an absolute folder with a model.
    Raises StudioError where there is such a model and it cannot be trained here, SettingError where it
    cannot with these settings, as far as that shows before it is downloaded.
    """
    from engine.local.trainers.imitation import Imitation
    from engine.local.trainers.nearest import Nearest

    for built_in in (Imitation(), Nearest()):
        if model == built_in.name:
            return built_in
    if not bases.named(model):
        return None
    library = _library(settings or Settings())
    bases.check(model, library)
    if library == "mlx":
        from engine.local.trainers.mlx import Mlx

        mlx = Mlx(model)
        mlx.check((settings or Settings()).lora)
        return mlx
    from engine.local.trainers.lora import Lora

    lora = Lora(model)
    lora.check((settings or Settings()).lora)
    return lora


def base_models() -> list[str]:
    """The ids of the base models offered here: the built-in ones, then the chat models on this disk."""
    return ["imitation", "nearest", *bases.on_disk()]


def _library(settings: Settings) -> Literal["lora", "mlx"]:
    """Which library trains a Hugging Face model: the one asked for, or else the one at home here."""
    asked = settings.lora.trainer
    if asked != "auto":
        return asked
    apple = sys.platform == "darwin" and platform.machine() == "arm64"
    return "mlx" if apple and importlib.util.find_spec("mlx_lm") else "lora"
