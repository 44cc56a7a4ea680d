"""What both trainers of Hugging Face models do alike before any weight is loaded: plan, tokens and labels."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from engine.errors import DataError, StudioError
from engine.local.trainers import Example, Note, Settings, bases, chat_template, labels

RATE = 2e-4
LENGTH = 2048


class Prepared(msgspec.Struct, frozen=True):
    """What is learned and what is held out; at least one example each. notes: what a person should know."""

    training: list[labels.Tokens]
    validation: list[labels.Tokens]
    notes: list[Note]
    tokenizer: Any

    @property
    def longest(self) -> int:
        """Tokens of the longest example."""
        return max(len(example.ids) for example in (*self.training, *self.validation))


def plan(
    model: str, trainer: Literal["lora", "mlx"], examples: list[Example], settings: Settings
) -> Settings:
    """OpenAI's rule for the epochs; one batch for each 25 examples, of 1 to 8; a rate of 2e-4.

    max_length stays "auto" while the base model is not on this disk.
    """
    count = max(1, len(examples))
    epochs = 3
    if epochs * count < 100:
        epochs = min(25, 100 // count)
    elif epochs * count > 25_000:
        epochs = max(1, 25_000 // count)
    lora = settings.lora
    lora = replace(
        lora,
        alpha=2.0 * lora.rank if lora.alpha == "auto" else lora.alpha,
        learning_rate=RATE if lora.learning_rate == "auto" else lora.learning_rate,
        max_length=_planned_length(model) if lora.max_length == "auto" else lora.max_length,
        trainer=trainer,
    )
    multiplier = settings.learning_rate_multiplier
    return Settings(
        n_epochs=epochs if settings.n_epochs == "auto" else settings.n_epochs,
        batch_size=max(1, min(8, count // 25)) if settings.batch_size == "auto" else settings.batch_size,
        learning_rate_multiplier=1.0 if multiplier == "auto" else multiplier,
        seed=settings.seed,
        lora=lora,
    )


def prepare(
    path: Path, training: list[Example], validation: list[Example], max_length: int | str
) -> Prepared:
    """Tokens and labels for the base model in `path`; without `validation` the last tenth is held out.

    Raises StudioError where the model is no chat model, DataError where no example can be used.
    """
    tokenizer = _tokenizer(path)
    length = _length(max_length, path, tokenizer)
    held = validation or training[-max(1, len(training) // 10) :]
    learned = training if validation else training[: -len(held)]
    notes: list[Note] = []
    rows = _encode(tokenizer, learned, length, "training", notes)
    held_rows = _encode(tokenizer, held, length, "validation", notes)
    if not validation:
        notes.append(Note(f"No validation file: the last {len(held):,} examples are held out for validation"))
    if note := _differs(tokenizer, learned):
        notes.append(note)
    return Prepared(rows, held_rows, notes, tokenizer)


def finite(loss: float, step: int) -> float:
    """The loss itself. Raises StudioError where it is no number any more."""
    if not math.isfinite(loss):
        raise StudioError(
            f"The loss is no number any more at step {step}.", "Train with a smaller learning rate."
        )
    return loss


def _planned_length(model: str) -> int | Literal["auto"]:
    path = bases.folder(model)
    return "auto" if path is None else min(LENGTH, _positions(path))


def _positions(path: Path) -> int:
    """How many tokens the model can look at, as far as its config.json tells."""
    config = bases.read_json(path / "config.json")
    return int(config.get("text_config", config).get("max_position_embeddings") or 2**31)


def _tokenizer(path: Path) -> Any:
    import transformers

    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(path, local_files_only=True)
    except Exception as error:
        raise StudioError(
            f"The tokenizer in {path} cannot be loaded ({type(error).__name__}).",
            "Choose another base model.",
        ) from error
    if not tokenizer.chat_template:
        raise bases.no_template(path)
    if not tokenizer.is_fast:
        raise StudioError(
            f"The model in {path} has no fast tokenizer, so its replies cannot be found in the tokens.",
            "Choose a model with a tokenizer.json.",
        )
    return tokenizer


def _length(asked: int | str, path: Path, tokenizer: Any) -> int:
    most = min(_positions(path), int(tokenizer.model_max_length))
    return min(most, LENGTH if isinstance(asked, str) else asked)


def _encode(
    tokenizer: Any, examples: list[Example], length: int, name: str, notes: list[Note]
) -> list[labels.Tokens]:
    encoded = labels.encode(tokenizer, examples, length)
    notes += encoded.notes(name, length)
    if not encoded.examples:
        reason = max(encoded.left_out, key=encoded.left_out.__getitem__, default="there are none")
        raise DataError(
            f"No {name} example can be used: {reason}.", "Choose another base model, or other examples."
        )
    return encoded.examples


def _differs(tokenizer: Any, examples: list[Example]) -> Note | None:
    """A word of warning where the model is asked for a reply in another way than it sees one in training."""
    for example in examples:
        if example.messages[-1].role == "assistant":
            try:
                whole = chat_template.rendered(tokenizer, example.messages)
                asked = chat_template.prompt(tokenizer, example.messages[:-1])
            except DataError:
                continue
            if whole.text[: whole.spans[-1][0]] != asked:
                return Note(
                    "The model's chat template asks for a reply in another way than it writes one down; "
                    "the model may begin its replies with thoughts",
                    "warn",
                )
            return None
    return None
