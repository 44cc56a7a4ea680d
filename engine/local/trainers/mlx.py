"""`mlx`: the same fine-tuning on Apple silicon, through mlx-lm."""

from __future__ import annotations

from pathlib import Path

from engine.local.trainers import Example, Model, Progress, Settings


class Mlx:
    description = "Fine-tunes a Hugging Face chat model with a small adapter, on Apple silicon."

    def __init__(self, model: str) -> None:
        self.name = model

    def plan(self, examples: list[Example], settings: Settings) -> Settings:
        raise NotImplementedError

    def train(
        self,
        examples: list[Example],
        validation: list[Example],
        settings: Settings,
        out: Path,
        resume: bool,
    ) -> Progress:
        """See Trainer.train."""
        raise NotImplementedError

    def load(self, folder: Path) -> Model:
        raise NotImplementedError
