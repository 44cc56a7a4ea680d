"""What a trainer is: it learns one person's replies from training examples and gives a model.

The server and the job process know only these types. A trainer's numbers are real: losses are in
nats per token, accuracies are shares of 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, Protocol

import msgspec


class ChatMessage(msgspec.Struct, frozen=True):
    """One turn of a chat. role: system, user or assistant. weight 0: context, not learned."""

    role: str
    content: str
    name: str | None = None
    weight: int | None = None


class Example(msgspec.Struct, frozen=True):
    """One line of the training file: `msgspec.json.decode(line, type=Example)`."""

    messages: tuple[ChatMessage, ...]


class Settings(msgspec.Struct, frozen=True):
    """OpenAI's hyperparameters. `Trainer.plan` resolves every "auto"."""

    n_epochs: int | Literal["auto"] = "auto"
    batch_size: int | Literal["auto"] = "auto"
    learning_rate_multiplier: float | Literal["auto"] = "auto"
    seed: int = 0


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
    ) -> Iterator[Step | Validation | Checkpoint | Note]:
        """Learn, and leave the final model in `out` (see `load`).

        A generator: stop iterating to pause or cancel. With `resume` it goes on from the state last saved
        in `out` (start afresh where there is none) and ends with the same model as without the pause;
        steps since that state are yielded once more. Without `validation` a tenth of `examples` is held out.
        """
        ...

    def load(self, folder: Path) -> Model:
        """The model in `folder`: the `out` of a finished training or a checkpoint's folder."""
        ...


def trainers() -> dict[str, Trainer]:
    """Every trainer that can work here, by base model id. Loads no numpy: that waits for train or load."""
    from engine.local.trainers.imitation import Imitation
    from engine.local.trainers.nearest import Nearest

    return {trainer.name: trainer for trainer in (Imitation(), Nearest())}
