"""`mlx`: the same fine-tuning on Apple silicon, through mlx-lm."""

from __future__ import annotations

from pathlib import Path

from engine.errors import StudioError
from engine.local.trainers import (
    Example,
    LoraSettings,
    Model,
    Progress,
    SettingError,
    Settings,
    bases,
    prepared,
    weights,
)
from engine.local.trainers.download import base_folder


class Mlx:
    description = "Fine-tunes a Hugging Face chat model with a small adapter, on Apple silicon."

    def __init__(self, model: str) -> None:
        self.name = model

    def plan(self, examples: list[Example], settings: Settings) -> Settings:
        """See `prepared.plan`."""
        return prepared.plan(self.name, "mlx", examples, settings)

    def check(self, settings: LoraSettings) -> None:
        """Raise SettingError where training with these would be refused, as far as is known by now."""
        _refuse(settings)
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
        bases.check(self.name, "mlx")
        base = yield from base_folder(self.name)
        bases.check(self.name, "mlx")
        self.check(settings.lora)
        from engine.local.trainers import mlx_training

        plan = self.plan(examples, settings)
        yield from mlx_training.train(self.name, base, examples, validation, plan, out, resume)

    def load(self, folder: Path) -> Model:
        """Models of this kind answer in a process of their own, not here."""
        raise StudioError(f"The adapter in {folder} cannot be loaded into this process.")


def _refuse(lora: LoraSettings) -> None:
    if lora.modules_to_save:
        raise SettingError(
            "modules_to_save",
            "mlx-lm's adapters hold low-rank layers only, so modules_to_save cannot be used with it.",
            "Leave it out, or ask for the trainer lora.",
        )
    if lora.quantise == "4bit":
        raise SettingError(
            "quantise",
            "mlx-lm takes the base model as it is on the disk and does not quantise it for training.",
            "Choose a base that is in 4 bits already, such as mlx-community's, or leave quantise out.",
        )
